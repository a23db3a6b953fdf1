// Package cli is the command line recflow: the root command, with one package
// per noun. Commands parse flags, call the internal packages and print: results
// to stdout, progress and errors to stderr.
package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/admin"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/backfills"
	"github.com/recflow/recflow/internal/cli/coverage"
	"github.com/recflow/recflow/internal/cli/demo"
	"github.com/recflow/recflow/internal/cli/events"
	"github.com/recflow/recflow/internal/cli/imports"
	"github.com/recflow/recflow/internal/cli/interest"
	"github.com/recflow/recflow/internal/cli/items"
	"github.com/recflow/recflow/internal/cli/localstack"
	"github.com/recflow/recflow/internal/cli/quarantine"
	"github.com/recflow/recflow/internal/cli/recommendations"
	"github.com/recflow/recflow/internal/cli/streams"
	"github.com/recflow/recflow/internal/cli/versions"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/telemetry"
)

// Run executes one command line and returns the exit code.
func Run(ctx context.Context, args []string, s app.Streams) int {
	a := &app.App{Streams: s, LocalEnv: stack.LoadEnv}
	return a.Execute(ctx, NewRootCommand(a), args)
}

// NewRootCommand returns the command recflow with all its subcommands.
func NewRootCommand(a *app.App) *cobra.Command {
	root := &cobra.Command{
		Use:     "recflow",
		Short:   "Self-hosted recommendation pipeline",
		Long:    "recflow trains embeddings from user–item events, loads them as gated, versioned and\ninstantly reversible indexes into your own Postgres, and serves recommendations from them.",
		Version: cmp.Or(config.BuildID(), telemetry.BuildID()),
	}
	root.AddCommand(commands(a)...)
	a.Prepare(root)
	return root
}

// commands returns the commands in the order of the help.
func commands(a *app.App) []*cobra.Command {
	return []*cobra.Command{
		localstack.NewUpCommand(a),
		localstack.NewDownCommand(a),
		localstack.NewStatusCommand(a),
		localstack.NewLogsCommand(a),
		localstack.NewDoctorCommand(a),
		backfills.NewRefreshCommand(a),
		backfills.NewCommand(a),
		versions.NewCommand(a),
		backfills.NewScheduleCommand(a),
		interest.NewCommand(a),
		recommendations.NewRecommendCommand(a),
		recommendations.NewSimilarCommand(a),
		recommendations.NewExplainCommand(a),
		items.NewCommand(a),
		demo.NewCommand(a, runCommand(a.Streams), localstack.IsUp),
		localstack.NewSetupCommand(a),
		imports.NewCommand(a),
		imports.NewManageCommand(a),
		events.NewCommand(a),
		streams.NewCommand(a),
		quarantine.NewCommand(a),
		coverage.NewCommand(a),
		admin.NewTokensCommand(a),
		admin.NewAuditCommand(a),
		admin.NewDatabaseCommand(a),
		localstack.NewLocalCommand(a),
	}
}

// runCommand runs command lines one after the other, as a script would.
func runCommand(s app.Streams) func(context.Context, []string) int {
	return func(ctx context.Context, args []string) int { return Run(ctx, args, s) }
}
