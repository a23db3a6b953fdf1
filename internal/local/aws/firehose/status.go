package firehose

import (
	"slices"
	"strings"
	"time"
)

// StreamStatus is the state of a delivery stream.
type StreamStatus struct {
	Stream       string
	BacklogBytes int64     // on disk, not delivered yet
	Objects      int64     // delivered since the start
	Records      int64     // delivered since the start
	Failures     int64     // failed attempts for the current object
	WaitingSince time.Time // arrival of that object's first record, if there are failures
	LastError    string    // of those failures
}

// Status returns the state of all streams by name.
func (s *Server) Status() []StreamStatus {
	out := []StreamStatus{}
	for _, q := range s.queues {
		q.mu.Lock()
		status := q.status
		q.mu.Unlock()
		status.Stream, status.BacklogBytes = q.stream.Name, q.backlog.Load()
		out = append(out, status)
	}
	slices.SortFunc(out, func(a, b StreamStatus) int { return strings.Compare(a.Stream, b.Stream) })
	return out
}

func (q *queue) failed(s *segment, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Failures++
	q.status.WaitingSince, q.status.LastError = s.arrived, err.Error()
}

func (q *queue) delivered(records int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.status.Failures, q.status.WaitingSince, q.status.LastError = 0, time.Time{}, ""
	q.status.Records += int64(records)
	if records > 0 {
		q.status.Objects++
	}
}
