package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/recflow/recflow/internal/local/stack"
)

func (a *app) downCommand() *cobra.Command {
	var purge, yes bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the local stack; its state stays",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, o, err := a.openStack()
			if errors.Is(err, stack.ErrNoHome) && !purge {
				a.progress().Printf("There is no local stack to stop.")
				return nil
			}
			if err != nil {
				return err
			}
			if purge && !yes {
				if err := a.confirm(fmt.Sprintf("Remove the stack and everything it holds in %s?", o.Home)); err != nil {
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
			a.progress().Printf("Removed %s", o.Home)
			return nil
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "also remove the state: versions, events, workflows, logs")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// confirm asks a person; where there is none it refuses.
func (a *app) confirm(question string) error {
	f, ok := a.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return exitError{2, errors.New("nobody to ask: give --yes")}
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was removed")
}
