package localstack

import (
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// glueTimeout limits a training run on a laptop.
const glueTimeout = 2 * time.Hour

// NewLocalCommand returns the command of the local stack's processes that are this
// binary. It is hidden: `recflow up` starts them.
func NewLocalCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:    "local",
		Short:  "Run one process of the local stack",
		Hidden: true,
	}
	cmd.AddCommand(newGlueCommand(a), newFirehoseCommand(a), newStreamCommand(a))
	return cmd
}

// localSettings returns the home and the settings of the stack that a process
// belongs to.
func localSettings() (home string, s stack.Settings, err error) {
	local, err := config.ReadLocal()
	if err != nil {
		return "", s, err
	}
	s, err = stack.ReadSettings(local.Home)
	return local.Home, s, err
}

func newGlueCommand(a *app.App) *cobra.Command {
	var port int
	var jobDir string
	cmd := &cobra.Command{
		Use:   "glue",
		Short: "Run the local Glue endpoint",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := config.ReadLocal()
			if err != nil {
				return err
			}
			tools, err := toolchain.Installed(local.Cache)
			if err != nil {
				return err
			}
			settings, err := stack.ReadSettings(local.Home)
			if err != nil {
				return err
			}
			vars := settings.PartEnv(local.Home, "glue")
			log := slog.New(slog.NewTextHandler(a.Err, nil))
			server, err := glue.New(glue.Options{
				Addr:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
				StateDir: filepath.Join(local.Home, "glue"),
				Python:   tools.Python,
				Script:   filepath.Join(jobDir, "glue_job.py"),
				Env:      stack.SparkEnv(tools),
				Job:      glue.Job{Name: vars["RECFLOW_GLUE_JOB"], MaxConcurrentRuns: 1, Timeout: glueTimeout},
				Log:      log,
			})
			if err != nil {
				return fmt.Errorf("open the Glue endpoint: %w", err)
			}
			return server.Run(cmd.Context(), func(addr string) {
				log.Info("listening", "address", addr)
			})
		},
	}
	cmd.Flags().IntVar(&port, "port", 0, "port on 127.0.0.1")
	cmd.Flags().StringVar(&jobDir, "job-dir", "glue", "directory of glue_job.py")
	return cmd
}
