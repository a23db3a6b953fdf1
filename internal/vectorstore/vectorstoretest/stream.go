package vectorstoretest

import (
	"testing"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// Stream keeps events as if they had come through the stream.
func Stream(t testing.TB, s *vectorstore.Store, events ...recsys.Event) vectorstore.StoredBatch {
	t.Helper()
	sent := make([]vectorstore.StreamEvent, len(events))
	for i, e := range events {
		sent[i] = vectorstore.StreamEvent{Event: e, Digest: e.Digest()}
	}
	stored, err := s.StoreEvents(t.Context(), sent)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}
