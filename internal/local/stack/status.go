package stack

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

// The states of a part.
const (
	Running = "running" // ready
	Unready = "unready" // its process runs and is not ready
	Dead    = "dead"    // it was started and its process has exited
	Stopped = "stopped" // it was not started
)

// PartStatus is one row of `recflow status`.
type PartStatus struct {
	Part    string        `json:"part"`
	State   string        `json:"state"`
	PID     int           `json:"pid,omitempty"`
	Address string        `json:"address"`
	Uptime  time.Duration `json:"uptime_ns,omitempty"`
	Memory  int64         `json:"memory_bytes,omitempty"` // with its children
	Detail  string        `json:"detail,omitempty"`       // why it is not running
	Log     string        `json:"log"`
}

// Status returns the status of every part.
func (s *Stack) Status(ctx context.Context) []PartStatus {
	parts := s.Parts()
	out := make([]PartStatus, len(parts))
	var wait sync.WaitGroup
	for i, p := range parts {
		wait.Go(func() { out[i] = look(ctx, p) })
	}
	wait.Wait()
	return out
}

func look(ctx context.Context, p Part) PartStatus {
	proc := p.Proc()
	st := PartStatus{Part: p.Name(), Address: p.Address(), Log: proc.LogPath(), State: Stopped}
	r, running := proc.Find()
	if !running {
		if last, ok := proc.LastRecord(); ok {
			st.State = Dead
			st.Detail = "the process started at " + last.Started.Format(time.DateTime) + " has exited; see `recflow logs " + p.Name() + "`"
		}
		return st
	}
	st.PID, st.Uptime, st.Memory = r.PID, time.Since(r.Started).Round(time.Second), process.Memory(r.PID)
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := p.Ready(ctx); err != nil {
		st.State, st.Detail = Unready, err.Error()
		return st
	}
	st.State = Running
	return st
}

// watchEvery is the interval at which Watch checks that the parts still run.
const watchEvery = time.Second

// Watch returns nil when ctx ends and an error when a part dies.
func (s *Stack) Watch(ctx context.Context) error {
	for pause(ctx, watchEvery) == nil {
		for _, p := range s.Parts() {
			if _, running := p.Proc().Find(); !running {
				return &PartError{
					Part: p.Name(), Log: p.Proc().LogPath(), Output: p.Proc().LastOutput(),
					Err: fmt.Errorf("it was running and has exited"),
				}
			}
		}
	}
	return nil
}
