package localstack

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/local/stack"
)

// NewDownCommand returns the command down.
func NewDownCommand(a *app.App) *cobra.Command {
	var purge, yes bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local stack and keep its state",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, o, err := openStack(a)
			if errors.Is(err, stack.ErrNoHome) && !purge {
				a.Progress().Printf("There is no local stack to stop.")
				return nil
			}
			if err != nil {
				return err
			}
			if purge && !yes {
				if err := a.Confirm(fmt.Sprintf("Remove the stack and all its data in %s?", o.Home)); err != nil {
					return err
				}
			}
			if err := s.Down(cmd.Context()); err != nil {
				return err
			}
			if !purge {
				return nil
			}
			if err := stack.Purge(o.Home); err != nil {
				return err
			}
			a.Progress().Printf("Removed %s", o.Home)
			return nil
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove the state: versions, events, workflows, logs")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask for confirmation")
	return cmd
}
