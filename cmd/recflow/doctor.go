package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/stack"
	"github.com/recflow/recflow/internal/toolchain"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what the local stack needs and say how to mend it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			local, err := config.ReadLocal()
			if err != nil {
				return err
			}
			settings, err := stack.ReadSettings(local.Home)
			known := err == nil
			if errors.Is(err, stack.ErrNoHome) {
				settings = stack.NewSettings(stack.DefaultPorts(local.PortOffset))
			} else if err != nil {
				return err
			}
			tools, _ := toolchain.Installed(local.Cache) // doctor says so itself
			o, err := a.stackOptions(local, settings, tools)
			if err != nil {
				return err
			}
			checks := stack.Doctor(cmd.Context(), o, known)
			l := listing{columns: []string{"check", "state", "detail", "fix"}, json: checks}
			for _, c := range checks {
				l.rows = append(l.rows, []string{c.Name, c.State, c.Detail, c.Fix})
			}
			if err := a.print(l); err != nil {
				return err
			}
			return stack.Healthy(checks)
		},
	}
	a.addOutputFlag(cmd)
	return cmd
}
