package app

import (
	"errors"
	"net/http"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
)

// ExitError ends the process with a specific code after its message was printed.
type ExitError struct {
	Code int
	Err  error
}

func (e ExitError) Error() string { return e.Err.Error() }
func (e ExitError) Unwrap() error { return e.Err }

// The exit codes besides 0, success, and 1, failure.
const (
	ExitUsage       = 2
	ExitRefused     = 3 // by a gate
	ExitNotFound    = 4
	ExitConflict    = 5
	ExitInterrupted = 130
)

// UsageError is an error in the command line: the process exits with ExitUsage.
func UsageError(err error) error { return ExitError{Code: ExitUsage, Err: err} }

// ExitCode returns the exit code for err, for scripts.
func ExitCode(err error) int {
	var exit ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	var p *apiclient.Problem
	if errors.As(err, &p) {
		switch {
		case p.Code == "gate_refused":
			return ExitRefused
		case p.Status == http.StatusNotFound:
			return ExitNotFound
		case p.Status == http.StatusConflict || p.Status == http.StatusPreconditionFailed:
			return ExitConflict
		case p.Status == http.StatusUnprocessableEntity:
			return ExitUsage
		}
	}
	switch {
	case errors.Is(err, recsys.ErrNotFound):
		return ExitNotFound
	case errors.Is(err, recsys.ErrConflict), errors.Is(err, recsys.ErrNoLiveVersion), errors.Is(err, recsys.ErrVersionGone):
		return ExitConflict
	}
	return 1
}
