// Package backfill defines backfills: how a range of time, or of user hashes, is
// cut into windows, the decision to run or skip each, the names of the workflows
// that do the work, and the names that workflows and activities share. It is pure:
// no I/O.
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
	Refresh = "refresh" // one training on the range; its version may be promoted
	AsOf    = "as_of"   // one training per step, each on the events before its end; their versions are for evaluation
	Lists   = "lists"   // the lists of users under a version, as Parquet files; a window is a range of user hashes
)

// The states of a backfill and of its windows.
const (
	Pending    = "pending" // recorded, not yet started
	Running    = "running"
	Cancelling = "cancelling" // of a backfill only
	Succeeded  = "succeeded"
	Failed     = "failed" // of a backfill: at least one window failed
	Cancelled  = "cancelled"
	Skipped    = "skipped" // of a window only; its reason says why
)

// Policies for ranges that an earlier backfill covered.
const (
	RerunMissing = "missing" // run what never succeeded
	RerunFailed  = "failed"  // run what failed and never succeeded
	RerunAll     = "all"
)

// Limits of a backfill.
const (
	MaxWindows  = 2000
	MaxParallel = 8 // parallel windows
	MinStep     = time.Hour
)

// Backfill is a range of time, cut into windows that are trained separately. The
// ledger in the database is the source of truth.
type Backfill struct {
	ID          string          `json:"id"`
	Kind        string          `json:"kind"`
	State       string          `json:"state"`
	From        time.Time       `json:"from,omitzero"`          // inclusive; zero: from the first event
	To          time.Time       `json:"to,omitzero"`            // exclusive; zero for lists
	Version     int64           `json:"version,omitempty"`      // of lists only: the version that makes them
	StepSeconds int64           `json:"step_seconds,omitempty"` // of an as_of only
	MaxParallel int             `json:"max_parallel"`           // parallel windows
	Rerun       string          `json:"rerun"`                  // missing, failed or all
	Promote     bool            `json:"promote"`                // of a refresh only: promote the version
	Request     json.RawMessage `json:"parameters"`             // request of each training, without its range; ListSettings of lists
	Actor       string          `json:"actor"`
	Round       int             `json:"round"` // incremented by every retry
	WorkflowID  string          `json:"workflow_id"`
	Owner       string          `json:"owner,omitempty"`       // run id of the workflow that runs, or last ran, the backfill
	HeartbeatAt time.Time       `json:"heartbeat_at,omitzero"` // last heartbeat of that workflow
	Error       string          `json:"error,omitempty"`
	Revision    int64           `json:"revision"` // incremented by every change
	CreatedAt   time.Time       `json:"created_at"`
	StartedAt   time.Time       `json:"started_at,omitzero"`
	EndedAt     time.Time       `json:"ended_at,omitzero"`
	Windows     []Window        `json:"windows,omitempty"`
	Count       WindowCount     `json:"count"`
}

// Over reports whether the backfill has ended. Only a retry continues it.
func (b Backfill) Over() bool {
	return b.State == Succeeded || b.State == Failed || b.State == Cancelled
}

// Window is one training of a backfill, or the lists of one range of users.
type Window struct {
	Index         int             `json:"index"`         // from 0, in chronological order
	From          time.Time       `json:"from,omitzero"` // zero: from the first event
	To            time.Time       `json:"to,omitzero"`
	State         string          `json:"state"`
	Reason        string          `json:"reason,omitempty"` // why it runs or is skipped
	Attempt       int             `json:"attempt,omitempty"`
	WorkflowID    string          `json:"workflow_id,omitempty"`
	WorkflowRunID string          `json:"workflow_run_id,omitempty"`
	RunID         string          `json:"run_id,omitempty"`
	Version       int64           `json:"version,omitempty"`
	Rows          int64           `json:"rows,omitempty"` // read by the training; lists written so far
	Metrics       *recsys.Metrics `json:"metrics,omitempty"`
	Lists         *WrittenLists   `json:"lists,omitempty"` // of lists only, once it succeeded
	Error         string          `json:"error,omitempty"`
	StartedAt     time.Time       `json:"started_at,omitzero"`
	EndedAt       time.Time       `json:"ended_at,omitzero"`
	Earlier       []Attempt       `json:"earlier,omitempty"` // earlier attempts, in order
}

// Attempt is an earlier attempt of a window.
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

// WindowCount is the number of windows in each state.
type WindowCount struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	Skipped   int `json:"skipped"`
}

// Cut cuts the half-open range of trainings into windows, in chronological
// order. A refresh is one window. Each window of an as_of ends one step after the
// previous one, and the last at to; all of them begin with the first event, so
// that each covers exactly the events before its end.
func Cut(kind string, from, to time.Time, step time.Duration) ([]Window, error) {
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
			bad("from is missing: an as_of backfill needs a start")
		case step < MinStep || step%time.Second != 0:
			bad("step is %s; use whole seconds, one hour or more", step)
		case to.Sub(from)/step > MaxWindows:
			bad("the range has more than %d steps of %s; use a longer step", MaxWindows, step)
		}
	} else if step != 0 {
		bad("step is only valid for %s", AsOf)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if kind == Refresh {
		return []Window{{From: from.UTC(), To: to.UTC(), State: Pending}}, nil
	}
	var cut []Window
	for end := from.Add(step); ; end = end.Add(step) {
		if end.After(to) {
			end = to
		}
		cut = append(cut, Window{Index: len(cut), To: end.UTC(), State: Pending})
		if !end.Before(to) {
			return cut, nil
		}
	}
}
