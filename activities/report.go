package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// NoteSignal carries a Note from an activity to the workflow that runs it.
const NoteSignal = "note"

// Note is the progress of a step. It is the detail of the step's heartbeats
// and, less often, a signal to the workflow, which answers the progress query
// from it.
type Note struct {
	Detail    string  `json:"detail,omitempty"` // one line for people
	GlueRunID string  `json:"glue_run_id,omitempty"`
	Done      int     `json:"done,omitempty"` // units of the current part of the training
	Total     int     `json:"total,omitempty"`
	Percent   float64 `json:"percent,omitempty"` // of the index that is being built
	File      int     `json:"file,omitempty"`    // number of the file that Rows refers to, from 1
	Rows      int64   `json:"rows,omitempty"`
}

const (
	beatEvery = time.Second
	// A signal adds four events to the workflow's history, so signals get rarer
	// as a step takes longer: a hundred in five minutes, three hundred in a
	// day.
	noteAtLeast  = 3 * time.Second
	noteFraction = 50
	noteTimeout  = 5 * time.Second
)

// reporter heartbeats once a second for a long step, so that a dead worker is
// detected by the heartbeat timeout and a cancelled step learns of it.
type reporter struct {
	mu     sync.Mutex
	note   Note
	cancel context.CancelFunc
	done   chan struct{}
}

// report starts the heartbeats, and sends notes to the workflow. Call stop at the end
// of the step.
func (a *Activities) report(ctx context.Context) *reporter { return reportTo(ctx, a.signal) }

// reportTo starts the heartbeats, and passes notes to send. Call stop at the end of
// the step.
func reportTo(ctx context.Context, send func(context.Context, Note)) *reporter {
	// The heartbeats and the goroutine need the activity's own context.
	beat, cancel := context.WithCancel(ctx)
	r := &reporter{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		began, at := time.Now(), time.Now()
		var sent Note
		ticker := time.NewTicker(beatEvery)
		defer ticker.Stop()
		for {
			select {
			case <-beat.Done():
				return
			case <-ticker.C:
			}
			note := r.get()
			activity.RecordHeartbeat(ctx, note)
			every := max(noteAtLeast, time.Since(began)/noteFraction)
			if note != sent && (note.Detail != sent.Detail && note.Percent == 0 || time.Since(at) >= every) {
				send(beat, note)
				sent, at = note, time.Now()
			}
		}
	}()
	return r
}

// set replaces the note of the next heartbeat.
func (r *reporter) set(n Note) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note = n
}

func (r *reporter) get() Note {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note
}

// stop ends the heartbeats and waits for the goroutine.
func (r *reporter) stop() {
	r.cancel()
	<-r.done
}

// signal sends a note to the workflow. Losing a note is harmless.
func (a *Activities) signal(ctx context.Context, n Note) {
	if a.Temporal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	w := activity.GetInfo(ctx).WorkflowExecution
	if err := a.Temporal.SignalWorkflow(ctx, w.ID, w.RunID, NoteSignal, n); err != nil {
		activity.GetLogger(ctx).Debug("failed to send progress to the workflow", "error", err)
	}
}
