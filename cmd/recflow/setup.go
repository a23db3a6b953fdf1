package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain"
	"github.com/recflow/recflow/internal/progress"
)

func (a *app) setupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Install the tools of the local stack into the cache folder",
		Long: "setup makes a Python environment (PySpark, Postgres, the S3 emulator), fetches Spark's jars, and\n" +
			"finds or installs Java 17 and Temporal. Everything goes to RECFLOW_CACHE, once; `recflow up` does\n" +
			"it too. It may be interrupted and run again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := config.ReadLocal()
			if err != nil {
				return err
			}
			if _, err := a.ensureTools(cmd.Context(), local); err != nil {
				return err
			}
			a.progress().Printf("The local tools are ready in %s", local.Cache)
			return nil
		},
	}
}

// ensureTools installs what the local stack lacks.
func (a *app) ensureTools(ctx context.Context, local config.Local) (toolchain.Paths, error) {
	return toolchain.Ensure(ctx, toolchain.Options{Cache: local.Cache, JavaHome: local.JavaHome}, a.progress())
}

// progress draws on stderr, unless --quiet.
func (a *app) progress() *progress.Printer {
	if a.quiet {
		return progress.Discard()
	}
	return progress.New(a.err)
}
