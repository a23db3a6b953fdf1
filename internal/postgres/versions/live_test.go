package versions_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// ready returns n small ready versions, numbered from 1. The title of every
// item is the run id of its version.
func ready(t *testing.T, s *postgrestest.Store, n int) []recsys.Version {
	t.Helper()
	made := make([]recsys.Version, n)
	for i := range made {
		run := fmt.Sprintf("run-%d", i+1)
		made[i] = postgrestest.Build(t, s, postgrestest.Fixture{
			RunID: run, Items: 60, Users: 20, Seed: uint64(i),
			Change: func(d *postgrestest.Data) {
				for j := range d.Items {
					d.Items[j].Title = run
				}
			},
		})
	}
	return made
}

func TestPromote_succeeds_once_per_revision(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	_, err := s.Live(t.Context())
	require.ErrorIs(t, err, recsys.ErrNoLiveVersion)
	made := ready(t, s, 6)
	at := postgrestest.Promote(t, s, made[0].ID)
	require.EqualValues(t, 1, at.Revision)
	require.True(t, at.Version.Live)
	require.Empty(t, at.Manifest.Files)
	require.NotEmpty(t, at.Manifest.Gram)

	var won, lost atomic.Int64
	var group errgroup.Group
	for _, v := range made[1:] {
		group.Go(func() error {
			_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID, IfRevision: &at.Revision})
			switch {
			case err == nil:
				won.Add(1)
			case errors.Is(err, recsys.ErrConflict):
				lost.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 4, lost.Load())

	live, err := s.Live(t.Context())
	require.NoError(t, err)
	again, err := s.Promote(t.Context(), versions.Promotion{Version: live.Version.ID, IfRevision: &at.Revision})
	require.NoError(t, err, "a promotion whose response was lost can be repeated")
	require.Equal(t, live.Revision, again.Revision)
}

func TestPromote_rejects_versions_that_are_not_ready(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 60, Users: 20, Loading: true})
	_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID})
	require.ErrorIs(t, err, recsys.ErrConflict)
	require.ErrorContains(t, err, "loading")

	gates := []recsys.GateResult{
		{Gate: recsys.GateRows, Passed: true, Reason: "complete"},
		{Gate: recsys.GateRecall, Value: 0.5, Threshold: 0.98, Reason: "recall@100 is 0.5, under 0.98"},
	}
	require.ErrorIs(t, s.MarkReady(t.Context(), v.ID, gates), recsys.ErrGateRefused)
	require.NoError(t, s.MarkRefused(t.Context(), v.ID, gates))
	require.NoError(t, s.MarkRefused(t.Context(), v.ID, gates), "it is idempotent")
	_, err = s.Promote(t.Context(), versions.Promotion{Version: v.ID})
	require.ErrorIs(t, err, recsys.ErrGateRefused)
	require.ErrorContains(t, err, "recall@100 is 0.5")
	stored, err := s.Gates(t.Context(), v.ID)
	require.NoError(t, err)
	require.Equal(t, gates, stored)
	_, err = s.User(t.Context(), v, "u00001")
	require.NoError(t, err, "a refused version can be inspected")
	_, err = s.Promote(t.Context(), versions.Promotion{Version: 77})
	require.ErrorIs(t, err, recsys.ErrNotFound)
}

func TestRollback_never_returns_to_a_rolled_back_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	made := ready(t, s, 3)
	for _, v := range made {
		postgrestest.Promote(t, s, v.ID)
	}
	for _, want := range []int64{made[1].ID, made[0].ID} {
		began := time.Now()
		live, err := s.Rollback(t.Context(), "test", "worse")
		require.NoError(t, err)
		require.Equal(t, want, live.Version.ID)
		require.Less(t, time.Since(began), time.Second)
	}
	_, err := s.Rollback(t.Context(), "test", "worse")
	require.ErrorIs(t, err, recsys.ErrNotFound)
	changes, err := s.LiveChanges(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, changes, 5)
	require.Equal(t, "rollback", changes[0].Kind)
	require.Equal(t, made[1].ID, changes[0].FromVersion)
	require.EqualValues(t, 0, changes[4].FromVersion)
}

func TestLiveSince_is_the_promotion_of_the_version_that_is_live_now(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	_, err := s.LiveSince(t.Context())
	require.ErrorIs(t, err, recsys.ErrNoLiveVersion)
	for _, v := range ready(t, s, 2) {
		postgrestest.Promote(t, s, v.ID)
	}
	newest, err := s.LiveSince(t.Context())
	require.NoError(t, err)
	_, err = s.Rollback(t.Context(), "test", "worse")
	require.NoError(t, err)
	changes, err := s.LiveChanges(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, changes[1].At.UTC(), newest.UTC())
	older, err := s.LiveSince(t.Context())
	require.NoError(t, err)
	require.Equal(t, changes[2].At.UTC(), older.UTC(), "a rollback does not reset the time")
}

func TestReaders_see_one_complete_version_during_promotions(t *testing.T) {
	t.Parallel()
	reads, changes := int64(500), 10
	if *postgrestest.Soak {
		reads, changes = 10_000, 50
	}
	s := postgrestest.New(t)
	made := ready(t, s, 2)
	postgrestest.Promote(t, s, made[0].ID)

	var done, seen atomic.Int64
	var group errgroup.Group
	for range 3 {
		group.Go(func() error {
			for seen.Add(1) <= reads || done.Load() == 0 {
				if err := readLiveOnce(t, s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer done.Store(1)
		for i := range changes {
			target := made[(i+1)%2].ID
			if _, err := s.Promote(t.Context(), versions.Promotion{Version: target}); err != nil {
				return err
			}
			// Spread the promotions over the reads.
			for seen.Load() < reads*int64(i+1)/int64(changes+1) && !t.Failed() {
				if err := readLiveOnce(t, s); err != nil {
					return err
				}
			}
		}
		return nil
	})
	require.NoError(t, group.Wait())
	require.GreaterOrEqual(t, seen.Load(), reads)
}

// readLiveOnce resolves the live version, reads a user and the user's list, and
// checks that everything is from that version.
func readLiveOnce(t *testing.T, s *postgrestest.Store) error {
	live, err := s.Live(t.Context())
	if err != nil {
		return err
	}
	user, err := s.User(t.Context(), live.Version, "u00001")
	if err != nil {
		return err
	}
	hits, err := s.Nearest(t.Context(), live.Version, recsys.Query{Vector: user.Vector, K: 10})
	if err != nil {
		return err
	}
	if len(hits) != 10 || live.Manifest.RunID != live.Version.RunID {
		return fmt.Errorf("%d hits from %s", len(hits), live.Version.RunID)
	}
	for _, h := range hits {
		if h.Title != live.Version.RunID {
			return fmt.Errorf("an item of %s in a list of %s", h.Title, live.Version.RunID)
		}
	}
	return nil
}

func TestPrune_keeps_needed_versions(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	made := ready(t, s, 6)
	for _, v := range made[:5] {
		postgrestest.Promote(t, s, v.ID)
	}
	require.NoError(t, s.Pin(t.Context(), made[1].ID, true))
	prune := func(ttl time.Duration) []int64 {
		t.Helper()
		dropped, err := s.Prune(t.Context(), versions.PruneOptions{KeepRefused: 1, KeepReady: 3, ReaderTTL: ttl})
		require.NoError(t, err)
		return dropped
	}
	require.Empty(t, prune(time.Hour), "readers may still use all of them")

	// A running read prevents that its version is dropped.
	conn := postgrestest.Conn(t, s)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM v1.items LIMIT 1")
	require.NoError(t, err)
	require.Equal(t, []int64{3}, prune(0), "2 is pinned, 4 is the previous one, 5 is live, 6 may be promoted")
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, []int64{1}, prune(0))
	require.Empty(t, prune(0))

	_, err = s.User(t.Context(), made[0], "u00001")
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	_, err = s.Nearest(t.Context(), made[0], recsys.Query{Vector: make([]float32, 16), K: 1})
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	gone, err := s.Version(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, recsys.Dropped, gone.State)
	_, err = s.Promote(t.Context(), versions.Promotion{Version: 1})
	require.ErrorIs(t, err, recsys.ErrConflict)

	live, err := s.Rollback(t.Context(), "test", "test")
	require.NoError(t, err)
	require.EqualValues(t, 4, live.Version.ID)
}

func TestRollback_does_not_wait_for_a_blocked_Prune(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	for _, v := range ready(t, s, 3) {
		postgrestest.Promote(t, s, v.ID)
	}
	conn := postgrestest.Conn(t, s)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM v1.items LIMIT 1")
	require.NoError(t, err)
	pruned := make(chan error, 1)
	go func() {
		_, err := s.Prune(t.Context(), versions.PruneOptions{})
		pruned <- err
	}()
	watch := postgrestest.Conn(t, s)
	require.Eventually(t, func() bool {
		var n int
		err := watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ '^DROP SCHEMA'").Scan(&n)
		return err == nil && n > 0
	}, 10*time.Second, 2*time.Millisecond)
	began := time.Now()
	_, err = s.Rollback(t.Context(), "test", "worse")
	require.NoError(t, err)
	require.Less(t, time.Since(began), time.Second)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-pruned)
}

func TestPrune_keeps_the_newest_refused_versions(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	for i := range 3 {
		v := postgrestest.Build(t, s, postgrestest.Fixture{RunID: fmt.Sprintf("r%d", i), Items: 30, Users: 10, Loading: true})
		require.NoError(t, s.MarkRefused(t.Context(), v.ID, []recsys.GateResult{{Gate: recsys.GateRows, Reason: "no"}}))
	}
	dropped, err := s.Prune(t.Context(), versions.PruneOptions{KeepRefused: 1, KeepReady: 3})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2}, dropped)
}

func TestPromote_refuses_a_version_behind_the_horizon(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	past := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	var streamed []recsys.Event
	for n := range 10 {
		streamed = append(streamed, recsys.Event{
			EventID: fmt.Sprintf("e%d", n), UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: past.Add(time.Duration(n) * time.Hour),
		})
	}
	postgrestest.Stream(t, s, streamed...)
	future := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	covering := func(run string, until int) recsys.Version {
		return postgrestest.Build(t, s, postgrestest.Fixture{
			RunID: run, Items: 30, Users: 10, Coverage: recsys.Coverage{To: past.Add(time.Duration(until) * time.Hour), StoredTo: future},
		})
	}
	half := covering("half", 5)
	all := recsys.Coverage{To: past.Add(24 * time.Hour), StoredTo: future}
	before, err := s.StreamedSet(t.Context(), all, recsys.Baseline{})
	require.NoError(t, err)
	var hash uint64
	for _, e := range streamed {
		hash ^= recsys.IDHash("", e.EventID)
	}
	require.Equal(t, recsys.EventSet{Count: 10, Hash: fmt.Sprintf("%016x", hash)}, before)

	n, err := s.DropCoveredEvents(t.Context(), past)
	require.NoError(t, err)
	require.Zero(t, n, "the stream may still deliver them again")
	n, err = s.DropCoveredEvents(t.Context(), future)
	require.NoError(t, err)
	require.EqualValues(t, 5, n, "events that the version does not cover are kept")
	var kept uint64
	for _, e := range streamed[5:] {
		kept ^= recsys.IDHash("", e.EventID)
	}
	after, err := s.StreamedSet(t.Context(), all, recsys.Baseline{To: half.Coverage.To, StoredTo: half.Coverage.StoredTo})
	require.NoError(t, err)
	require.Equal(t, recsys.EventSet{Count: 5, Hash: fmt.Sprintf("%016x", kept)}, after, "those that the baseline does not cover")

	h, err := s.Horizon(t.Context())
	require.NoError(t, err)
	require.True(t, h.Covers(half.Coverage))
	postgrestest.Promote(t, s, half.ID)
	early := covering("early", 3)
	require.False(t, h.Covers(early.Coverage))
	_, err = s.Promote(t.Context(), versions.Promotion{Version: early.ID})
	require.ErrorIs(t, err, recsys.ErrGateRefused)
	require.ErrorContains(t, err, "horizon")
}

func TestPromote_of_evaluation_versions(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var made []recsys.Version
	for n := range 4 {
		m := postgrestest.Manifest(t, postgrestest.Fixture{RunID: fmt.Sprintf("run-%d", n)})
		v, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: m, Evaluation: n > 0})
		require.NoError(t, err)
		require.NoError(t, s.MarkReady(t.Context(), v.ID, nil))
		made = append(made, v)
	}
	require.False(t, made[0].Evaluation)
	require.True(t, made[1].Evaluation)
	_, err := s.Promote(t.Context(), versions.Promotion{Version: made[0].ID})
	require.NoError(t, err)
	_, err = s.Promote(t.Context(), versions.Promotion{Version: made[1].ID})
	require.ErrorIs(t, err, recsys.ErrConflict)
	require.ErrorContains(t, err, "it is for evaluation")
	dropped, err := s.Prune(t.Context(), versions.PruneOptions{})
	require.NoError(t, err)
	require.Equal(t, []int64{made[1].ID}, dropped, "the newest two are kept")
	_, err = s.Promote(t.Context(), versions.Promotion{Version: made[2].ID, Evaluation: true})
	require.NoError(t, err)
	_, err = s.Promote(t.Context(), versions.Promotion{Version: made[3].ID, Evaluation: true})
	require.NoError(t, err)
	_, err = s.Rollback(t.Context(), "test", "worse")
	require.ErrorIs(t, err, recsys.ErrConflict, "a rollback does not return to it")
	require.ErrorContains(t, err, "it is for evaluation")
}

// A schedule that does not promote adds a version a day.
func TestPrune_keeps_the_newest_ready_versions(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var ids []int64
	for n := range 6 {
		ids = append(ids, postgrestest.Build(t, s, postgrestest.Fixture{RunID: fmt.Sprintf("run-%d", n), Items: 20, Users: 10}).ID)
	}
	postgrestest.Promote(t, s, ids[1])
	require.NoError(t, s.Pin(t.Context(), ids[2], true))
	dropped, err := s.Prune(t.Context(), versions.PruneOptions{KeepReady: 2})
	require.NoError(t, err)
	require.Equal(t, []int64{ids[0], ids[3]}, dropped, "neither the live, the pinned, nor the newest two")
}
