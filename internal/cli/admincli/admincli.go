// Package admincli is the command line of recflow-admin: the recflow commands that
// must run next to the database. It does not link the local stack.
package admincli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/admin"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/telemetry"
)

// Run executes one command line and returns the exit code.
func Run(ctx context.Context, args []string, s app.Streams) int {
	a := &app.App{Streams: s}
	return a.Execute(ctx, NewRootCommand(a), args)
}

// NewRootCommand returns the command recflow-admin with all its subcommands.
func NewRootCommand(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "recflow-admin",
		Short: "Administer recflow from inside the VPC",
		Long: "recflow-admin runs in the admin image, next to the database: it migrates the database and registers\n" +
			"the first access token. Everything else goes through the API.",
		Version: cmp.Or(config.BuildID(), telemetry.BuildID()),
	}
	root.AddCommand(
		admin.NewTokensCommand(a),
		admin.NewDatabaseCommand(a),
	)
	a.Prepare(root)
	return root
}
