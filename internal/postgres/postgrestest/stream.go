package postgrestest

import (
	"testing"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/recsys"
)

// Stream stores events as if they had arrived through the stream.
func Stream(t testing.TB, s *Store, sent ...recsys.Event) events.StoredBatch {
	t.Helper()
	out := make([]events.StreamEvent, len(sent))
	for i, e := range sent {
		out[i] = events.StreamEvent{Event: e, Digest: e.Digest()}
	}
	stored, err := s.StoreEvents(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}
