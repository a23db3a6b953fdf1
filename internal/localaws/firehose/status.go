package firehose

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// StreamStatus is how a delivery stream does. GET /status answers with a JSON
// list of it.
type StreamStatus struct {
	Stream       string    `json:"stream"`
	BacklogBytes int64     `json:"backlog_bytes"`          // on disk, not delivered yet
	Objects      int64     `json:"objects"`                // delivered since the start
	Records      int64     `json:"records"`                // delivered since the start
	Failures     int64     `json:"failures"`               // failed attempts at the object whose turn it is
	WaitingSince time.Time `json:"waiting_since,omitzero"` // arrival of that object's first record, when there are failures
	LastError    string    `json:"last_error,omitempty"`   // of those failures
}

// Status is that of all streams, by name.
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

func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.Status())
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
