// Package backfill holds what a backfill is: a range of time cut into windows,
// the decision to run or skip each, the names of the workflows that do the work,
// and the names that workflows and activities share. It is pure: no I/O.
package backfill

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// The kinds of backfill.
const (
	Refresh = "refresh" // one training on the range; its version may go live
	AsOf    = "as_of"   // one training a step, each on what came before; their versions are for evaluation
)

// The states of a backfill and of its slices.
const (
	Pending    = "pending" // written down, not yet started
	Running    = "running"
	Cancelling = "cancelling" // of a backfill
	Succeeded  = "succeeded"
	Failed     = "failed" // of a backfill: at least one slice failed
	Cancelled  = "cancelled"
	Skipped    = "skipped" // of a slice: there was no need, as its reason says
)

// What is run again of what an earlier backfill did.
const (
	RerunMissing = "missing" // what never succeeded
	RerunFailed  = "failed"  // what failed and never succeeded
	RerunAll     = "all"
)

// Limits of a backfill.
const (
	MaxSlices   = 2000
	MaxParallel = 8 // trainings at a time
	MinStep     = time.Hour
)

// Backfill is a piece of work over a range of time, cut into slices. The ledger
// in the database is what is true about it.
type Backfill struct {
	ID          string          `json:"id"`
	Kind        string          `json:"kind"`
	State       string          `json:"state"`
	From        time.Time       `json:"from,omitzero"`          // inclusive; zero: from the first event
	To          time.Time       `json:"to"`                     // exclusive
	StepSeconds int64           `json:"step_seconds,omitempty"` // of an as_of
	MaxParallel int             `json:"max_parallel"`           // slices at a time
	Rerun       string          `json:"rerun"`                  // missing, failed or all
	Promote     bool            `json:"promote"`                // of a refresh: make the version live
	Request     json.RawMessage `json:"parameters"`             // of each training
	Actor       string          `json:"actor"`
	Round       int             `json:"round"` // grows with every retry
	WorkflowID  string          `json:"workflow_id"`
	Owner       string          `json:"owner,omitempty"`       // the run of the workflow that is, or was last, at work
	HeartbeatAt time.Time       `json:"heartbeat_at,omitzero"` // when it was last known to be
	Error       string          `json:"error,omitempty"`
	Revision    int64           `json:"revision"` // grows with every change
	CreatedAt   time.Time       `json:"created_at"`
	StartedAt   time.Time       `json:"started_at,omitzero"`
	EndedAt     time.Time       `json:"ended_at,omitzero"`
	Slices      []Slice         `json:"slices,omitempty"`
	Count       SliceCount      `json:"count"`
}

// Over reports whether nothing more will happen by itself.
func (b Backfill) Over() bool {
	return b.State == Succeeded || b.State == Failed || b.State == Cancelled
}

// Slice is one training of a backfill.
type Slice struct {
	Index         int             `json:"index"`         // from 0, in order of time
	From          time.Time       `json:"from,omitzero"` // zero: from the first event
	To            time.Time       `json:"to"`
	State         string          `json:"state"`
	Reason        string          `json:"reason,omitempty"` // of the decision to run or skip it
	Attempt       int             `json:"attempt,omitempty"`
	WorkflowID    string          `json:"workflow_id,omitempty"`
	WorkflowRunID string          `json:"workflow_run_id,omitempty"`
	RunID         string          `json:"run_id,omitempty"`
	Version       int64           `json:"version,omitempty"`
	Rows          int64           `json:"rows,omitempty"` // that the training read
	Metrics       *recsys.Metrics `json:"metrics,omitempty"`
	Error         string          `json:"error,omitempty"`
	StartedAt     time.Time       `json:"started_at,omitzero"`
	EndedAt       time.Time       `json:"ended_at,omitzero"`
	Earlier       []Attempt       `json:"earlier,omitempty"` // attempts before this one, in order
}

// Attempt is an attempt at a slice that another one followed.
type Attempt struct {
	Attempt       int       `json:"attempt"`
	State         string    `json:"state"`
	WorkflowID    string    `json:"workflow_id"`
	WorkflowRunID string    `json:"workflow_run_id,omitempty"`
	RunID         string    `json:"run_id,omitempty"`
	Version       int64     `json:"version,omitempty"`
	Error         string    `json:"error,omitempty"`
	StartedAt     time.Time `json:"started_at"`
	EndedAt       time.Time `json:"ended_at,omitzero"`
}

// SliceCount says how many slices are in which state.
type SliceCount struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	Skipped   int `json:"skipped"`
}

// Cut cuts the half-open range of a backfill into slices, in order of time.
// A refresh is one slice. Each slice of an as_of ends a step after the one
// before, and the last at to; all of them begin with the first event, so that
// each sees everything that came before its end, and nothing else.
func Cut(kind string, from, to time.Time, step time.Duration) ([]Slice, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains([]string{Refresh, AsOf}, kind) {
		bad("kind is not %s or %s", Refresh, AsOf)
	}
	if to.IsZero() {
		bad("to is missing")
	}
	if !from.IsZero() && !from.Before(to) {
		bad("from %s is not before to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	}
	if kind == AsOf {
		switch {
		case from.IsZero():
			bad("from is missing: an as_of backfill begins somewhere")
		case step < MinStep || step%time.Second != 0:
			bad("step is %s; use whole seconds, one hour or more", step)
		case to.Sub(from)/step > MaxSlices:
			bad("the range holds more than %d steps of %s; use a longer step", MaxSlices, step)
		}
	} else if step != 0 {
		bad("step belongs to %s", AsOf)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if kind == Refresh {
		return []Slice{{From: from.UTC(), To: to.UTC(), State: Pending}}, nil
	}
	var cut []Slice
	for end := from.Add(step); ; end = end.Add(step) {
		if end.After(to) {
			end = to
		}
		cut = append(cut, Slice{Index: len(cut), To: end.UTC(), State: Pending})
		if !end.Before(to) {
			return cut, nil
		}
	}
}
