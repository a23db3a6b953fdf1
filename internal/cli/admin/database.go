// Package admin has the commands of administrators: the database, access tokens and
// the audit.
package admin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/database"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/postgres"
)

// NewDatabaseCommand returns the command database.
func NewDatabaseCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "database",
		Short: "Bring the database up to date, and look at it",
		Long: "The database is the one that RECFLOW_DATABASE_URL names, or the local stack's. On AWS this is the\n" +
			"step that runs before a new version of the worker, the API and the function is rolled out.",
	}
	cmd.AddCommand(newDatabaseMigrateCommand(a), newDatabaseStatusCommand(a))
	return cmd
}

func newDatabaseMigrateCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Migrate the schema, and give each component's user its rights",
		Long: "migrate runs as the owner of the schema: it brings the schema up to date, makes the users recflow_loader,\n" +
			"recflow_stream, recflow_api and recflow_auditor where they are missing, and gives each what it needs. On RDS they\n" +
			"sign in with tokens (RECFLOW_DATABASE_AUTH=iam); elsewhere give them passwords. It may run any number of times.",
		Example: "  RECFLOW_DATABASE_URL=postgres://recflow_owner@HOST:5432/recflow?sslmode=verify-full recflow database migrate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			options, err := databaseAddress(cmd.Context(), a)
			if err != nil {
				return err
			}
			task := a.Progress().Start("database", "migrating")
			if err := postgres.MigrateAndGrant(cmd.Context(), options); err != nil {
				task.Fail()
				return err
			}
			task.Done("is up to date, and its users have their rights")
			return printDatabase(cmd.Context(), a, options)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newDatabaseStatusCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the schema, pgvector and the users of the components",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.CheckOutput(); err != nil {
				return err
			}
			options, err := databaseAddress(cmd.Context(), a)
			if err != nil {
				return err
			}
			return printDatabase(cmd.Context(), a, options)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// databaseAddress is where the database is, and how to sign in.
func databaseAddress(ctx context.Context, a *app.App) (postgres.Options, error) {
	c, err := a.ClientConfig()
	if err != nil {
		return postgres.Options{}, err
	}
	if c.Database.URL == "" {
		return postgres.Options{}, a.NotConfigured("RECFLOW_DATABASE_URL")
	}
	return database.Options(ctx, a, c.Database)
}

// printDatabase prints how the database is, and returns an error when no
// component could work with it.
func printDatabase(ctx context.Context, a *app.App, options postgres.Options) error {
	db, err := postgres.Open(ctx, options)
	if err != nil {
		return err
	}
	defer db.Close()
	health, err := db.Health(ctx)
	if err != nil {
		return err
	}
	roles, err := db.RoleStates(ctx)
	if err != nil {
		return err
	}
	l := output.Listing{Columns: []string{"what", "state"}, Rows: [][]string{
		{"schema", fmt.Sprintf("%d of %d", health.SchemaVersion, health.SchemaWanted)},
		{"pgvector", health.PgvectorVersion},
	}}
	for _, r := range roles {
		l.Rows = append(l.Rows, []string{r.Role, roleText(r)})
	}
	l.JSON = struct {
		SchemaVersion   int                  `json:"schema_version"`
		SchemaWanted    int                  `json:"schema_wanted"`
		PgvectorVersion string               `json:"pgvector_version"`
		Users           []postgres.RoleState `json:"users"`
	}{health.SchemaVersion, health.SchemaWanted, health.PgvectorVersion, roles}
	if err := a.Print(l); err != nil {
		return err
	}
	return db.CheckSchema(ctx)
}

func roleText(r postgres.RoleState) string {
	switch {
	case !r.Exists:
		return "missing: run `recflow database migrate`"
	case !r.Admitted:
		return "has no rights here: run `recflow database migrate`"
	case r.Tokens:
		return "signs in with tokens"
	}
	return "signs in with a password"
}
