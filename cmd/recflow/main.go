// Command recflow runs the local stack and talks to a running system: import
// events, train, look at versions, ask for recommendations.
//
// Commands take flags, call the internal packages and print: results to
// stdout, progress and errors to stderr. Each command is one file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// exitError ends the process with a chosen code after its message was printed.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run executes one command line and returns the exit code: 0 done, 1 failed,
// 2 wrong usage, 130 interrupted.
func run(ctx context.Context, args []string, s streams) int {
	root, a := newRootCommand(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(s.err, "interrupted")
		return 130
	}
	if !a.begun {
		err = exitError{2, fmt.Errorf("%w\nusage: %s; see `%s --help`", err, cmd.UseLine(), cmd.CommandPath())}
	}
	fmt.Fprintf(s.err, "error: %v\n", err)
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return 1
}
