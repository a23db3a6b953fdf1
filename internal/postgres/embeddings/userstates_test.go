package embeddings_test

import (
	"cmp"
	"fmt"
	"slices"
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
	plan := embeddings.ExplainStates(t, s.EmbeddingStore, v, 500)
	require.NotContains(t, plan, "Seq Scan")
	require.Regexp(t, `Index Cond: .* AND \(stored_at >= `, plan, "covered events are not read")
}

// TestUserStates_reads_the_newest_events checks the limit for a user with many uncovered
// events, late ones among them, covered ones and impressions.
func TestUserStates_reads_the_newest_events(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	march := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march, StoredTo: march}})
	const more = 25
	shown := []string{recsys.Impression, "Impression", "IMPRESSION", "im-pres_sion ", "İMPRESSİON"}
	var sent, want []recsys.Event
	for i := range recsys.MaxUserEvents + more {
		e := recsys.Event{EventID: fmt.Sprintf("e%d", i), UserID: "hot", ItemID: "i", EventType: recsys.Click, OccurredAt: march.Add(time.Duration(i/2) * time.Second)}
		sent = append(sent, e)
		e.EventID, e.EventType = "shown-"+e.EventID, shown[i%len(shown)]
		require.True(t, recsys.IsImpression(e.EventType))
		sent = append(sent, e)
	}
	for i := range 10 {
		e := recsys.Event{EventID: fmt.Sprintf("late-%d", i), UserID: "hot", ItemID: "i", EventType: recsys.Click, OccurredAt: march.Add(-time.Duration(i+1) * time.Second)}
		sent = append(sent, e)
		e.UserID, e.EventID = "other", "other-"+e.EventID
		sent, want = append(sent, e), append([]recsys.Event{e}, want...)
	}
	postgrestest.Stream(t, s, sent...)
	states, _, err := s.UserStates(t.Context(), v, []string{"hot", "other", "stranger"})
	require.NoError(t, err)
	hot := states[0]
	require.Len(t, hot.Events, recsys.MaxUserEvents)
	require.Equal(t, more+10, hot.NotFolded)
	require.True(t, slices.IsSortedFunc(hot.Events, func(a, b recsys.Event) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.EventID, b.EventID))
	}))
	require.Equal(t, march.Add((more-1)/2*time.Second), hot.Events[0].OccurredAt.UTC(), "the oldest are not read")
	for _, e := range hot.Events {
		require.Equal(t, recsys.Click, e.EventType)
	}
	require.Len(t, states[1].Events, 10, "late events are uncovered")
	for i, e := range states[1].Events {
		require.Equal(t, want[i].EventID, e.EventID)
	}
	require.Zero(t, states[1].NotFolded)
	require.Empty(t, states[2].Events)

	covered := v
	covered.Coverage.StoredTo = time.Now().Add(time.Hour)
	states, _, err = s.UserStates(t.Context(), covered, []string{"hot", "other"})
	require.NoError(t, err)
	require.Equal(t, more, states[0].NotFolded, "late events are covered now")
	require.Empty(t, states[1].Events)
}

func TestUserStates_needs_only_the_id_of_a_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 40, Users: 10})
	states, _, err := s.UserStates(t.Context(), recsys.Version{ID: v.ID}, []string{"u00001"})
	require.NoError(t, err)
	require.NotNil(t, states[0].Vector)
}
