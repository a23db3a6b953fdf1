package localstack

import (
	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/local/stack"
)

// NewLogsCommand returns the command logs.
func NewLogsCommand(a *app.App) *cobra.Command {
	var o stack.LogOptions
	cmd := &cobra.Command{
		Use:     "logs [PART]",
		Short:   "Show the logs of the local stack",
		Example: "  recflow logs\n  recflow logs worker -f",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, _, err := openStack(a)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				o.Part = args[0]
			}
			return s.Logs(cmd.Context(), a.Out, o)
		},
	}
	cmd.Flags().BoolVarP(&o.Follow, "follow", "f", false, "follow the logs until interrupted")
	cmd.Flags().IntVarP(&o.Lines, "lines", "n", 50, "number of lines to show from the end of each log")
	return cmd
}
