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
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"go.temporal.io/sdk/temporal"
	_ "golang.org/x/crypto/x509roots/fallback" // an image without a file of its own still trusts the public roots

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
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

// The exit codes beside 0, done, and 1, failed.
const (
	exitUsage       = 2
	exitRefused     = 3 // by a gate
	exitNotFound    = 4
	exitConflict    = 5
	exitInterrupted = 130
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, s streams) int {
	root, a := newRootCommand(s)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(s.err, "interrupted")
		return exitInterrupted
	}
	if !a.begun {
		err = exitError{exitUsage, fmt.Errorf("%w\nusage: %s; see `%s --help`", err, cmd.UseLine(), cmd.CommandPath())}
	}
	fmt.Fprintf(s.err, "error: %v\n", err)
	return exitCode(err)
}

// exitCode is what a script learns from an error.
func exitCode(err error) int {
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var p *apiclient.Problem
	if errors.As(err, &p) {
		switch {
		case p.Code == "gate_refused":
			return exitRefused
		case p.Status == http.StatusNotFound:
			return exitNotFound
		case p.Status == http.StatusConflict || p.Status == http.StatusPreconditionFailed:
			return exitConflict
		case p.Status == http.StatusUnprocessableEntity:
			return exitUsage
		}
	}
	var failed *temporal.ApplicationError
	switch {
	case errors.Is(err, recsys.ErrGateRefused) || errors.As(err, &failed) && failed.Type() == activities.GateRefused:
		return exitRefused
	case errors.Is(err, recsys.ErrNotFound), errors.Is(err, recommend.ErrUnknownItem):
		return exitNotFound
	case errors.Is(err, recsys.ErrConflict):
		return exitConflict
	}
	return 1
}
