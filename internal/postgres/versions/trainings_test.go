package versions_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestStartTraining_chooses_a_baseline(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	start := func(run string) recsys.Baseline {
		b, err := s.StartTraining(t.Context(), run, versions.Owner{WorkflowID: "w", RunID: run})
		require.NoError(t, err)
		b.To, b.StoredTo = b.To.UTC(), b.StoredTo.UTC()
		return b
	}
	require.Equal(t, recsys.Baseline{}, start("first"), "nothing is covered before the first version")

	may := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	covering := recsys.Coverage{To: may, StoredTo: may.Add(-time.Hour)}
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: covering})
	postgrestest.Promote(t, s, v.ID)
	live := recsys.Baseline{Version: v.ID, To: covering.To, StoredTo: covering.StoredTo}
	require.Equal(t, live, start("second"))
	require.Equal(t, recsys.Baseline{}, start("first"), "a training keeps its baseline whatever was promoted since")

	require.NoError(t, s.Trust(t.Context(), may.Add(-2*time.Hour)))
	require.Equal(t, live, start("third"), "the live version covers more than what was accepted")
	accepted := may.Add(24 * time.Hour)
	require.NoError(t, s.Trust(t.Context(), accepted))
	require.NoError(t, s.Trust(t.Context(), may))
	require.Equal(t, recsys.Baseline{To: accepted, StoredTo: accepted}, start("fourth"), "what was accepted never shrinks")

	running, err := s.RunningTrainings(t.Context())
	require.NoError(t, err)
	require.Len(t, running, 4)
	require.Equal(t, versions.RunningTraining{RunID: "first", Owner: versions.Owner{WorkflowID: "w", RunID: "first"}}, running[0])
	require.NoError(t, s.EndTraining(t.Context(), "first"))
	require.NoError(t, s.EndTraining(t.Context(), "first"))
	running, err = s.RunningTrainings(t.Context())
	require.NoError(t, err)
	require.Len(t, running, 3)
}

func TestStartTraining_after_all_versions_were_dropped(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	may := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: may.Add(time.Hour), StoredTo: soon}})
	postgrestest.Stream(t, s, recsys.Event{EventID: "e", UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: may})
	n, err := s.DropCoveredEvents(t.Context(), soon)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	h, err := s.Horizon(t.Context())
	require.NoError(t, err)
	b, err := s.StartTraining(t.Context(), "run", versions.Owner{})
	require.NoError(t, err)
	require.Equal(t, recsys.Baseline{To: h.OccurredBefore, StoredTo: h.StoredBefore}, b, "no version is live: the deleted events are the baseline")
}

// The events that a running training is compared with stay, also when the version that
// is its baseline does not need them any more.
func TestDropCoveredEvents_keeps_what_a_training_is_compared_with(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	may := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	for n := range 10 {
		postgrestest.Stream(t, s, recsys.Event{
			EventID: fmt.Sprintf("e%d", n), UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: may.Add(time.Duration(n) * time.Hour),
		})
	}
	version := func(run string, hours time.Duration) recsys.Version {
		return postgrestest.Build(t, s, postgrestest.Fixture{
			RunID: run, Items: 30, Users: 10, Coverage: recsys.Coverage{To: may.Add(hours * time.Hour), StoredTo: soon},
		})
	}
	old := version("old", 3)
	postgrestest.Promote(t, s, old.ID)
	b, err := s.StartTraining(t.Context(), "run", versions.Owner{})
	require.NoError(t, err)
	require.Equal(t, old.ID, b.Version)
	for _, run := range []string{"newer", "newest"} {
		postgrestest.Promote(t, s, version(run, 6).ID)
	}
	dropped, err := s.Prune(t.Context(), versions.PruneOptions{})
	require.NoError(t, err)
	require.Equal(t, []int64{old.ID}, dropped)

	coverage := recsys.Coverage{To: may.Add(8 * time.Hour), StoredTo: soon}
	before, err := s.StreamedSet(t.Context(), coverage, b)
	require.NoError(t, err)
	require.EqualValues(t, 5, before.Count)
	n, err := s.DropCoveredEvents(t.Context(), soon)
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "the events that the baseline covers")
	after, err := s.StreamedSet(t.Context(), coverage, b)
	require.NoError(t, err)
	require.Equal(t, before, after)

	require.NoError(t, s.EndTraining(t.Context(), "run"))
	n, err = s.DropCoveredEvents(t.Context(), soon)
	require.NoError(t, err)
	require.EqualValues(t, 3, n, "the events up to what the live version covers")
}
