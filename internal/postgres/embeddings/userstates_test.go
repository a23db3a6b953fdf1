package embeddings_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// TestUserStates_finds_events_by_index checks the plan: an index scan for the
// events of any number of users.
func TestUserStates_finds_events_by_index(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	march := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march, StoredTo: march}})
	sent := make([]recsys.Event, 10_000)
	for i := range sent {
		sent[i] = recsys.Event{
			EventID: fmt.Sprintf("e%d", i), UserID: fmt.Sprintf("u%d", i%3), ItemID: "i", EventType: recsys.Click,
			OccurredAt: march.Add(time.Duration(i) * time.Second),
		}
	}
	postgrestest.Stream(t, s, sent...)
	began := time.Now()
	states, _, err := s.UserStates(t.Context(), v, []string{"u0"})
	require.NoError(t, err)
	require.Len(t, states[0].Events, 3334)
	t.Logf("3,334 events of a user read in %s", time.Since(began))
	require.NotContains(t, embeddings.ExplainStates(t, s.EmbeddingStore, v, 500), "Seq Scan")
}

func TestUserStates_needs_only_the_id_of_a_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 40, Users: 10})
	states, _, err := s.UserStates(t.Context(), recsys.Version{ID: v.ID}, []string{"u00001"})
	require.NoError(t, err)
	require.NotNil(t, states[0].Vector)
}
