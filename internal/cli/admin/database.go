// Package admin has the administrators' commands: the database, access tokens and
// the audit log.
package admin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/postgres"
)

// NewDatabaseCommand returns the command database.
func NewDatabaseCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "database",
		Short: "Migrate and inspect the database",
		Long: "The database is the one in RECFLOW_DATABASE_URL, or the local stack's. On AWS, migrate runs\n" +
			"before a new version of the worker, the API and the function is rolled out.",
	}
	cmd.AddCommand(newDatabaseMigrateCommand(a), newDatabaseStatusCommand(a))
	return cmd
}

func newDatabaseMigrateCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Migrate the schema and grant the components' users their permissions",
		Long: "migrate runs as the owner of the schema. It migrates the schema, creates the users recflow_loader,\n" +
			"recflow_stream, recflow_api and recflow_auditor if they are missing, and grants their permissions. On RDS they\n" +
			"authenticate with tokens (RECFLOW_DATABASE_AUTH=iam); elsewhere set passwords for them. It is safe to run repeatedly.",
		Example: "  RECFLOW_DATABASE_URL=postgres://recflow_owner@HOST:5432/recflow?sslmode=verify-full recflow database migrate",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := databaseOptions(cmd.Context(), a)
			if err != nil {
				return err
			}
			task := a.Progress().Start("database", "migrating")
			if err := postgres.MigrateAndGrant(cmd.Context(), options); err != nil {
				task.Fail()
				return err
			}
			task.Done("is up to date, and its users have their permissions")
			return printDatabase(cmd.Context(), a, options)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func newDatabaseStatusCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the schema, pgvector and the components' users",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := databaseOptions(cmd.Context(), a)
			if err != nil {
				return err
			}
			return printDatabase(cmd.Context(), a, options)
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

// printDatabase prints the state of the database, and returns an error if no
// component could work with it.
func printDatabase(ctx context.Context, a *app.App, options postgres.Options) error {
	db, err := openDatabase(ctx, options)
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
		return "has no permissions here: run `recflow database migrate`"
	case r.Tokens:
		return "authenticates with tokens"
	}
	return "authenticates with a password"
}
