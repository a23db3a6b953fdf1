package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/telemetry"
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
	output string // table, json, yaml or csv
	begun  bool   // the command line was understood, and the command runs
}

func newRootCommand(s streams) (*cobra.Command, *app) {
	a := &app{streams: s}
	root := &cobra.Command{
		Use:           "recflow",
		Short:         "Recommendations as a pipeline you run yourself",
		Long:          "recflow trains embeddings from user–item events, loads them as gated, versioned,\ninstantly reversible indexes into your own Postgres, and serves recommendations from them.",
		Version:       cmp.Or(config.BuildID(), telemetry.BuildID()),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "no progress on stderr")
	root.AddCommand(a.commands()...)
	a.markBegun(root)
	return root, a
}

// markBegun makes every command note that it runs, which tells wrong usage from
// work that failed: cobra checks arguments and groups of flags before. A command
// that only has others shows its help, and refuses a name that is none of them.
func (a *app) markBegun(cmd *cobra.Command) {
	work := cmd.RunE
	if work == nil {
		cmd.Args = unknownCommand
		work = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.begun = true
		return work(cmd, args)
	}
	for _, sub := range cmd.Commands() {
		a.markBegun(sub)
	}
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
		a.backfillCommand(),
		a.versionsCommand(),
		a.scheduleCommand(),
		a.recommendCommand(),
		a.similarCommand(),
		a.explainCommand(),
		a.itemsCommand(),
		a.demoCommand(),
		a.setupCommand(),
		a.importCommand(),
		a.eventsCommand(),
		a.streamCommand(),
		a.quarantineCommand(),
		a.tokensCommand(),
		a.auditCommand(),
		a.databaseCommand(),
		a.localCommand(),
	}
}

// unknownCommand refuses a name, and says which one may be meant.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, strings.Join(like, " or "))
	}
	return err
}

// addOutputFlag gives cmd the -o flag.
func (a *app) addOutputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "table", "output format: table, json, yaml or csv")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml", "csv"}, cobra.ShellCompDirectiveNoFileComp))
}
