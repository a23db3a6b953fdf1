// Package app is what all commands share: streams, flags, how results are printed,
// clients of the running system, and the exit codes.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Streams are the process's standard streams, passed in so that tests can
// capture them.
type Streams struct {
	In  io.Reader
	Out io.Writer // results
	Err io.Writer // progress and errors
}

// App is what every command shares.
type App struct {
	Streams
	Quiet  bool
	Output string // table, json, yaml or csv

	// LocalEnv returns the variables that the local stack at home hands to its
	// clients; nil where a program knows no local stack.
	LocalEnv func(home string) (map[string]string, error)

	begun bool // the command line was understood, and the command runs
}

// Prepare gives root, whose commands are all added, the streams and the flags
// that every command has.
func (a *App) Prepare(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().BoolVarP(&a.Quiet, "quiet", "q", false, "no progress on stderr")
	a.markBegun(root)
}

// Execute executes one command line of root, which is prepared, and returns the
// exit code. It prints errors to stderr.
func (a *App) Execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(a.Err, "interrupted")
		return ExitInterrupted
	}
	if !a.begun {
		err = UsageError(fmt.Errorf("%w\nusage: %s; see `%s --help`", err, cmd.UseLine(), cmd.CommandPath()))
	}
	fmt.Fprintf(a.Err, "error: %v\n", err)
	return ExitCode(err)
}

// markBegun makes every command note that it runs, which tells wrong usage from
// work that failed: cobra checks arguments and groups of flags before. A command
// that only has others shows its help, and refuses a name that is none of them.
func (a *App) markBegun(cmd *cobra.Command) {
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
