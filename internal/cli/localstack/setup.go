package localstack

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// NewSetupCommand returns the command setup.
func NewSetupCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Install the tools of the local stack into the cache directory",
		Long: "setup creates a Python environment (PySpark, Postgres, the S3 emulator), downloads Spark's jars, and\n" +
			"finds or installs Java 17 and Temporal. Everything is installed into RECFLOW_CACHE, once; `recflow up`\n" +
			"does it too. It can be interrupted and run again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := config.ReadLocal()
			if err != nil {
				return err
			}
			if _, err := ensureTools(cmd.Context(), a, local); err != nil {
				return err
			}
			a.Progress().Printf("The local tools are ready in %s", local.Cache)
			return nil
		},
	}
}

// ensureTools installs missing tools of the local stack.
func ensureTools(ctx context.Context, a *app.App, local config.Local) (toolchain.Paths, error) {
	return toolchain.Ensure(ctx, toolchain.Options{Cache: local.Cache, JavaHome: local.JavaHome}, a.Progress())
}
