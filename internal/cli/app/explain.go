package app

import (
	"errors"
	"fmt"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
)

// ExplainAPI adds to an API error what the user can do about it here.
func ExplainAPI(err error) error {
	var gone *apiclient.Unreachable
	if errors.As(err, &gone) {
		return fmt.Errorf("%w; see `recflow status`, start the local stack with `recflow up`", err)
	}
	var p *apiclient.Problem
	if errors.As(err, &p) {
		switch p.Code {
		case "no_live_version":
			return fmt.Errorf("%w; train one with `recflow refresh --wait`", recsys.ErrNoLiveVersion)
		case "version_gone":
			return fmt.Errorf("%w; see `recflow versions list`", recsys.ErrVersionGone)
		}
	}
	return err
}

// ExplainVersion is ExplainAPI for a command that takes a version, or 0.
func ExplainVersion(err error, version int64) error {
	var p *apiclient.Problem
	if version > 0 && errors.As(err, &p) && p.Code == "not_found" {
		return NoSuchVersion(version)
	}
	return ExplainAPI(err)
}

// NoSuchVersion returns the error for a version that does not exist.
func NoSuchVersion(id int64) error {
	return ExitError{Code: ExitNotFound, Err: fmt.Errorf("there is no version %d; see `recflow versions list`", id)}
}
