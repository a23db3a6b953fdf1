package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// streams are the process's standard streams, passed in so that tests can
// capture them.
type streams struct {
	in  io.Reader
	out io.Writer // results
	err io.Writer // progress and errors
}

// app is what every command shares.
type app struct {
	streams
	quiet  bool
	output string // table, json or csv
}

func newRootCommand(s streams) *cobra.Command {
	a := &app{streams: s}
	root := &cobra.Command{
		Use:           "recflow",
		Short:         "Recommendations as a pipeline you run yourself",
		Long:          "recflow trains embeddings from user–item events, loads them as gated, versioned,\ninstantly reversible indexes into your own Postgres, and serves recommendations from them.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitError{2, fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.AddCommand(a.commands()...)
	return root
}

// commands lists the commands in the order that help shows them.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.upCommand(),
		a.downCommand(),
		a.statusCommand(),
		a.logsCommand(),
		a.doctorCommand(),
		a.refreshCommand(),
		a.versionsCommand(),
		a.recommendCommand(),
		a.similarCommand(),
		a.demoCommand(),
		a.setupCommand(),
		a.importCommand(),
		a.localCommand(),
	}
}

// addOutputFlag gives cmd the -o flag.
func (a *app) addOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "output format: table, json or csv")
}
