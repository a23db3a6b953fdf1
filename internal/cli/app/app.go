// Package app has what all commands share: streams, flags, output formats, clients
// of the running system, and exit codes.
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

// App is the context shared by all commands.
type App struct {
	Streams
	Quiet  bool
	Output string // table, json, yaml or csv

	// LocalEnv returns the variables of the local stack at home for its clients;
	// nil in a program without a local stack.
	LocalEnv func(home string) (map[string]string, error)

	begun bool // the command line was valid and the command is running
}

// Prepare gives root, after all its commands were added, the streams and the common
// flags.
func (a *App) Prepare(root *cobra.Command) {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().BoolVarP(&a.Quiet, "quiet", "q", false, "print no progress on stderr")
	a.markBegun(root)
}

// Execute executes one command line of a prepared root and returns the exit code.
// It prints errors to stderr.
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

// markBegun makes every command check the output format and record that it runs, which distinguishes usage
// errors from failed work: cobra checks arguments and flag groups before it runs a
// command. A command that only has subcommands shows its help, and rejects an
// unknown name.
func (a *App) markBegun(cmd *cobra.Command) {
	work := cmd.RunE
	if work == nil {
		cmd.Args = unknownCommand
		work = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.begun = true
		if err := a.checkOutput(); err != nil {
			return err
		}
		return work(cmd, args)
	}
	for _, sub := range cmd.Commands() {
		a.markBegun(sub)
	}
}

// unknownCommand rejects a name and suggests a similar one.
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
