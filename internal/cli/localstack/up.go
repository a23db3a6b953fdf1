package localstack

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/stack"
)

// NewUpCommand returns the command up.
func NewUpCommand(a *app.App) *cobra.Command {
	var ports portFlags
	var without []string
	var retain, foreground bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the local stack",
		Long: "up starts Postgres, the emulator of S3 and Kinesis, Temporal, the Glue endpoint, the worker, Firehose\n" +
			"and the stream with its function, and returns when" +
			" they are ready. They keep running until `recflow down`. Running parts are not restarted, unless\n" +
			"their settings or programs have changed. State is kept in RECFLOW_HOME (.recflow).",
		Example: "  recflow up\n  RECFLOW_HOME=.recflow2 recflow up --port-offset 100   # a second stack alongside the first",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, settings, err := prepareStack(a, cmd, ports, without)
			if err != nil {
				return err
			}
			if err := s.Up(cmd.Context(), stack.UpOptions{Retain: retain}); err != nil {
				return err
			}
			welcome(a, settings, foreground)
			if foreground {
				return stayUp(cmd.Context(), a, s)
			}
			return nil
		},
	}
	ports.register(cmd)
	cmd.Flags().BoolVar(&retain, "retain", false, "if a part fails, leave the others running")
	cmd.Flags().BoolVar(&foreground, "foreground", false, "run in the foreground, and stop everything on Ctrl-C")
	cmd.Flags().StringSliceVar(&without, "without", nil, "parts not to start, such as a worker that runs in a debugger")
	return cmd
}

// prepareStack installs missing tools and returns the stack to start.
func prepareStack(a *app.App, cmd *cobra.Command, ports portFlags, without []string) (*stack.Stack, stack.Settings, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return nil, stack.Settings{}, err
	}
	settings, err := ports.settings(cmd, local)
	if err != nil {
		return nil, stack.Settings{}, err
	}
	tools, err := ensureTools(cmd.Context(), a, local)
	if err != nil {
		return nil, stack.Settings{}, err
	}
	o, err := stackOptions(a, local, settings, tools)
	if err != nil {
		return nil, stack.Settings{}, err
	}
	o.Without = without
	return stack.New(o), settings, nil
}

// welcome prints the addresses and the next commands.
func welcome(a *app.App, s stack.Settings, foreground bool) {
	if a.Quiet {
		return
	}
	stop := "recflow down                      # stop; state is kept in RECFLOW_HOME"
	if foreground {
		stop = "Ctrl-C                            # stop; state is kept in RECFLOW_HOME"
	}
	fmt.Fprintf(a.Err, `
The local stack is up. Temporal UI: http://127.0.0.1:%d

Next:
  recflow import completejourney    # or a file of your own
  recflow refresh --wait            # train, gate and promote a version
  recflow recommend USER
  recflow status                    # what is running, and where
  %s
`, s.Ports.TemporalUI, stop)
}

// stayUp waits for an interrupt or the end of a part, then stops the stack.
func stayUp(ctx context.Context, a *app.App, s *stack.Stack) error {
	err := s.Watch(ctx)
	if downErr := s.Down(context.WithoutCancel(ctx)); downErr != nil {
		return downErr
	}
	return err
}
