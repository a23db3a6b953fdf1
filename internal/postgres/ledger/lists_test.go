package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestCreateBackfill_of_lists(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	old := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "old", Items: 20, Users: 20})
	for _, run := range []string{"previous", "live"} {
		postgrestest.Promote(t, s, postgrestest.Build(t, s, postgrestest.Fixture{RunID: run, Items: 20, Users: 20}).ID)
	}
	prune := func() []int64 {
		dropped, err := s.Prune(t.Context(), versions.PruneOptions{KeepRefused: 3})
		require.NoError(t, err)
		return dropped
	}

	b, existing, err := s.CreateBackfill(t.Context(), postgrestest.Lists(t, "a", old.ID, 2, backfill.ListSettings{K: 5}))
	require.NoError(t, err)
	require.False(t, existing)
	require.Equal(t, old.ID, b.Version)
	require.True(t, b.To.IsZero())
	require.Equal(t, backfill.WindowCount{Total: 2, Pending: 2}, b.Count)
	require.True(t, b.Windows[1].To.IsZero())
	_, _, err = s.CreateBackfill(t.Context(), postgrestest.Lists(t, "b", old.ID, 1, backfill.ListSettings{K: 6}))
	require.NoError(t, err, "lists do not overlap")
	_, err = s.EndBackfill(t.Context(), "b", 1, "over")
	require.NoError(t, err)
	require.Empty(t, prune(), "an active backfill holds its version")

	wrote := &backfill.WrittenLists{Lists: 10, Stages: map[string]int64{"popular": 10}, Files: []backfill.ListFile{{Key: "k1", Rows: 6, Bytes: 60}, {Key: "k2", Rows: 4, Bytes: 40}}}
	startWindow(t, s, "a", backfill.Window{Index: 0, Attempt: 1})
	require.NoError(t, s.RecordLists(t.Context(), "a", 0, 1, 4))
	require.NoError(t, s.RecordLists(t.Context(), "a", 0, 2, 5), "of another attempt")
	b, err = s.Backfill(t.Context(), "a")
	require.NoError(t, err)
	require.EqualValues(t, 4, b.Windows[0].Rows)
	require.NoError(t, s.EndWindow(t.Context(), "a", backfill.Window{Index: 0, Attempt: 1, State: backfill.Succeeded, Version: old.ID, Rows: 10, Lists: wrote}))
	b, err = s.Backfill(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, wrote, b.Windows[0].Lists)
	past, err := s.PastLists(t.Context(), 10)
	require.NoError(t, err)
	require.Positive(t, past.Seconds)
	require.Equal(t, []int64{10, 50, 100}, []int64{past.Lists, past.Items, past.Bytes})

	_, err = s.EndBackfill(t.Context(), "a", 1, "the manifest failed")
	require.NoError(t, err)
	require.Equal(t, []int64{old.ID}, prune())
	_, _, err = s.CreateBackfill(t.Context(), postgrestest.Lists(t, "c", old.ID, 1, backfill.ListSettings{K: 5}))
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	_, _, err = s.CreateBackfill(t.Context(), postgrestest.Lists(t, "c", 999, 1, backfill.ListSettings{K: 5}))
	require.ErrorIs(t, err, recsys.ErrNotFound)
}

func TestRetryBackfill_repeats_the_last_step_alone(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 20})
	_, _, err := s.CreateBackfill(t.Context(), postgrestest.Lists(t, "a", v.ID, 1, backfill.ListSettings{K: 5}))
	require.NoError(t, err)
	startWindow(t, s, "a", backfill.Window{Index: 0, Attempt: 1})
	require.NoError(t, s.EndWindow(t.Context(), "a", backfill.Window{Index: 0, Attempt: 1, State: backfill.Succeeded}))
	b, err := s.EndBackfill(t.Context(), "a", 1, "the manifest was not written")
	require.NoError(t, err)
	require.Equal(t, backfill.Failed, b.State)
	b, err = s.RetryBackfill(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, backfill.WindowCount{Total: 1, Succeeded: 1}, b.Count)
	b, err = s.EndBackfill(t.Context(), "a", 2, "")
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, b.State)
	_, err = s.RetryBackfill(t.Context(), "a")
	require.ErrorIs(t, err, recsys.ErrConflict)
}
