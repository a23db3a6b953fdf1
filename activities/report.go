package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
)

// NoteSignal carries a Note from an activity to the workflow that runs it.
const NoteSignal = "note"

// Note is how far a step is. It is the detail of the step's heartbeats, and now
// and then a signal, from which the workflow answers the progress query.
type Note struct {
	Detail    string  `json:"detail,omitempty"` // one line for people
	GlueRunID string  `json:"glue_run_id,omitempty"`
	Done      int     `json:"done,omitempty"` // units of the present part of the training
	Total     int     `json:"total,omitempty"`
	Percent   float64 `json:"percent,omitempty"` // of the index that is being built
	File      int     `json:"file,omitempty"`    // number of the file that Rows counts, from 1
	Rows      int64   `json:"rows,omitempty"`
}

const (
	beatEvery = time.Second
	// A signal costs the workflow four events of history, so they get rarer the
	// longer a step takes: a hundred in five minutes, three hundred in a day.
	noteAtLeast  = 3 * time.Second
	noteFraction = 50
	noteTimeout  = 5 * time.Second
)

// reporter beats once a second for a step that may be long, so that a dead
// worker is noticed by the heartbeat time-out and a cancelled step hears of it.
type reporter struct {
	mu     sync.Mutex
	note   Note
	cancel context.CancelFunc
	done   chan struct{}
}

// report starts beating. Call stop when the step is over.
func (a *Activities) report(ctx context.Context) *reporter {
	// The heartbeats need the activity's own context, and so does the goroutine.
	beat, cancel := context.WithCancel(ctx)
	r := &reporter{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		began, at := time.Now(), time.Now()
		var told Note
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
			if note != told && (note.Detail != told.Detail && note.Percent == 0 || time.Since(at) >= every) {
				a.tell(beat, note)
				told, at = note, time.Now()
			}
		}
	}()
	return r
}

// set replaces the note that the next beat carries.
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

// stop ends the beating and waits for it.
func (r *reporter) stop() {
	r.cancel()
	<-r.done
}

// tell sends a note to the workflow. One that is lost is no loss.
func (a *Activities) tell(ctx context.Context, n Note) {
	if a.Temporal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteTimeout)
	defer cancel()
	w := activity.GetInfo(ctx).WorkflowExecution
	if err := a.Temporal.SignalWorkflow(ctx, w.ID, w.RunID, NoteSignal, n); err != nil {
		activity.GetLogger(ctx).Debug("progress not told", "error", err)
	}
}
