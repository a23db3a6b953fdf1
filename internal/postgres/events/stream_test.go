package events_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

var march = time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)

func liveEvent(n int, at time.Time) recsys.Event {
	return recsys.Event{
		EventID: fmt.Sprintf("e%d", n), UserID: fmt.Sprintf("u%d", n%3), ItemID: "i", EventType: recsys.Click, OccurredAt: at,
	}
}

// states returns the states of users under a version with an empty coverage.
func states(t testing.TB, s *postgrestest.Store, v recsys.Version, ids ...string) []recsys.UserState {
	t.Helper()
	got, _, err := s.UserStates(t.Context(), v, ids)
	require.NoError(t, err)
	require.Len(t, got, len(ids))
	return got
}

func TestStoreEvents_stores_each_id_once(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march.Add(-time.Minute), StoredTo: march}})
	value := 4.5
	first := liveEvent(0, march)
	first.Value, first.SessionID, first.RecommendationID = &value, "s", "r"
	batch := postgrestest.Stream(t, s, liveEvent(1, march), first, liveEvent(3, march.Add(-time.Hour)))
	require.Zero(t, batch.Version, "no version is live")
	require.Equal(t, first.Digest(), batch.Events[1].Digest)
	require.Equal(t, first.OccurredAt, batch.Events[1].OccurredAt.UTC())

	got := states(t, s, v, "u9", "u0")
	require.Equal(t, "u9", got[0].ID)
	require.Empty(t, got[0].Events)
	require.Len(t, got[1].Events, 2)
	require.Equal(t, "e3", got[1].Events[0].EventID)
	require.Equal(t, batch.Events[1].At, got[1].Events[1].StoredAt)
	kept := got[1].Events[1]
	require.Equal(t, first.Digest(), kept.Digest(), "it is returned as it was sent")

	changed := first
	changed.ItemID = "other"
	again := postgrestest.Stream(t, s, changed)
	require.True(t, again.Events[0].Conflict)
	require.Equal(t, batch.Events[1].At, again.Events[0].At, "the first content and its stored_at are kept")
	require.Equal(t, got, states(t, s, v, "u9", "u0"))
	require.False(t, postgrestest.Stream(t, s, first).Events[0].Conflict)
}

func TestStoreEvents_returns_the_live_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10})
	postgrestest.Promote(t, s, v.ID)
	live, err := s.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, v.ID, live.Version.ID)
	for _, streamed := range [][]recsys.Event{nil, {liveEvent(1, march)}} {
		batch := postgrestest.Stream(t, s, streamed...)
		require.Equal(t, v.ID, batch.Version)
		require.Equal(t, live.Revision, batch.Revision)
	}
}

func TestStoreEvents_does_not_deadlock_on_shared_events(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	for round := range 5 {
		streamed := make([]events.StreamEvent, 400)
		for i := range streamed {
			e := liveEvent(1000*round+i, march)
			streamed[i] = events.StreamEvent{Event: e, Digest: e.Digest()}
		}
		reversed := slices.Clone(streamed)
		slices.Reverse(reversed)
		answers := make([]events.StoredBatch, 2)
		var group errgroup.Group
		for i, batch := range [][]events.StreamEvent{streamed, reversed} {
			group.Go(func() (err error) {
				answers[i], err = s.StoreEvents(t.Context(), batch)
				return err
			})
		}
		require.NoError(t, group.Wait())
		slices.Reverse(answers[1].Events)
		require.Equal(t, answers[0].Events, answers[1].Events, "both see the event that was stored first")
	}
}

func TestStoreEvents_result_depends_only_on_the_set(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march, StoredTo: march}})
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		var streamed []recsys.Event
		for n := range rapid.IntRange(1, 30).Draw(rt, "events") {
			at := march.Add(time.Duration(rapid.IntRange(0, 5).Draw(rt, "second")) * time.Second)
			e := liveEvent(n, at)
			e.EventID, e.UserID = fmt.Sprintf("%d-%s", run, e.EventID), fmt.Sprintf("%d-%s", run, e.UserID)
			streamed = append(streamed, e)
		}
		sent := rapid.Permutation(slices.Concat(streamed, streamed, streamed)).Draw(rt, "order")
		for len(sent) > 0 {
			n := rapid.IntRange(1, len(sent)).Draw(rt, "batch")
			part := slices.Clone(sent[:n])
			slices.SortFunc(part, func(a, b recsys.Event) int { return strings.Compare(a.EventID, b.EventID) })
			postgrestest.Stream(t, s, slices.CompactFunc(part, func(a, b recsys.Event) bool { return a.EventID == b.EventID })...)
			sent = sent[n:]
		}
		slices.SortFunc(streamed, func(a, b recsys.Event) int {
			return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.EventID, b.EventID))
		})
		for _, state := range states(t, s, v, fmt.Sprintf("%d-u0", run), fmt.Sprintf("%d-u1", run), fmt.Sprintf("%d-u2", run)) {
			var want, got []string
			for _, e := range streamed {
				if e.UserID == state.ID {
					want = append(want, e.EventID)
				}
			}
			for _, e := range state.Events {
				got = append(got, e.EventID)
			}
			if !slices.Equal(want, got) {
				rt.Fatalf("user %s has %v, want %v", state.ID, got, want)
			}
		}
	})
}

func TestUserStates_returns_uncovered_events(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	stored := postgrestest.Stream(t, s, liveEvent(0, march), liveEvent(3, march.Add(2*time.Hour))).Events
	later := postgrestest.Stream(t, s, liveEvent(6, march)).Events[0]
	require.True(t, later.At.After(stored[0].At))
	coverage := recsys.Coverage{To: march.Add(time.Hour), StoredTo: later.At}
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: coverage})
	var got []string
	for _, e := range states(t, s, v, "u0")[0].Events {
		require.False(t, coverage.Covers(e))
		got = append(got, e.EventID)
	}
	require.Equal(t, []string{"e6", "e3"}, got, "one was stored too late, the other occurred too late")
}

func TestUserStates_of_a_dropped_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	_, _, err := s.UserStates(t.Context(), recsys.Version{ID: 99}, []string{"u0"})
	require.ErrorIs(t, err, recsys.ErrVersionGone)
}

func TestWriteVerdicts_keeps_the_first(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	e := liveEvent(0, march)
	folded := events.Verdict{EventID: e.EventID, Digest: e.Digest(), Verdict: events.Folded, Stage: "session", Version: 3, ArrivedAt: march}
	refused := events.Verdict{EventID: e.EventID, Digest: [16]byte{1}, Verdict: events.QuarantinedVerdict, Reason: "conflict", ArrivedAt: march}
	require.False(t, postgrestest.Stream(t, s, e).Events[0].Done)
	require.NoError(t, s.WriteVerdicts(t.Context(), []events.Verdict{folded, refused}, nil))
	second := folded
	second.Verdict, second.Reason = events.Ignored, "unknown_item"
	require.NoError(t, s.WriteVerdicts(t.Context(), []events.Verdict{second}, nil))
	require.NoError(t, s.WriteVerdicts(t.Context(), nil, nil))

	key := events.VerdictKey{EventID: e.EventID, Digest: e.Digest()}
	got, err := s.Verdicts(t.Context(), []events.VerdictKey{key, {EventID: "none"}, {EventID: e.EventID, Digest: [16]byte{1}}})
	require.NoError(t, err)
	require.Len(t, got, 2)
	v := got[key]
	require.False(t, v.At.IsZero())
	v.At, v.ArrivedAt = time.Time{}, v.ArrivedAt.UTC()
	require.Equal(t, folded, v)
	require.True(t, postgrestest.Stream(t, s, e).Events[0].Done)

	dropped, err := s.DropVerdicts(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, dropped)
	dropped, err = s.DropVerdicts(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 2, dropped)
}

func TestStreamStats(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	empty, err := s.StreamStats(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Zero(t, empty.Events)
	require.True(t, empty.Newest.IsZero())

	now := time.Now()
	var verdicts []events.Verdict
	for n := range 4 {
		v := events.Verdict{EventID: fmt.Sprint(n), Verdict: events.Folded, Stage: "session", ArrivedAt: now.Add(-10 * time.Second)}
		if n == 3 {
			v.Verdict, v.Reason, v.Stage = events.Ignored, "impression", ""
		}
		verdicts = append(verdicts, v)
	}
	evaluations := []events.Evaluation{
		{EventID: "0", Version: 7, LiveStage: "session", StaleStage: "popular", LiveRank: 2},
		{EventID: "1", Version: 7, LiveStage: "session", StaleStage: "popular", LiveRank: 20, StaleRank: 1},
		{EventID: "2", Version: 7, LiveStage: "session", StaleStage: "popular", LiveRank: 21, StaleRank: 21},
	}
	require.NoError(t, s.WriteVerdicts(t.Context(), verdicts, evaluations))
	require.NoError(t, s.WriteVerdicts(t.Context(), nil, []events.Evaluation{{EventID: "0", Version: 8}}))

	got, err := s.StreamStats(t.Context(), time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 4, got.Events)
	require.Equal(t, []events.VerdictCount{{"folded", "", 3}, {"ignored", "impression", 1}}, got.Verdicts)
	require.Equal(t, []events.StageCount{{"session", 3}}, got.Stages)
	require.Greater(t, got.P50, 9*time.Second)
	require.Less(t, got.P99, 40*time.Second)

	stats, err := s.EvaluationStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, []events.EvaluationStats{{
		Version: 7, Stage: "session", Events: 3, LiveHits: 2, StaleHits: 1, OnlyLive: 1,
		LiveReciprocal: stats[0].LiveReciprocal, StaleReciprocal: stats[0].StaleReciprocal,
	}}, stats)
	require.InDelta(t, (1.0/2+1.0/20+1.0/21)/3, stats[0].LiveReciprocal, 1e-12)
}

// A batch of any size is stored, read and completed in one round trip each.
func TestStore_uses_one_round_trip_per_step(t *testing.T) {
	t.Parallel()
	address := postgrestest.URL(t)
	trips := postgrestest.CountRoundTrips(t, address)
	s := postgrestest.Open(t, trips.URL)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10})
	take := func(n int) {
		streamed, verdicts := make([]recsys.Event, n), make([]events.Verdict, n)
		evaluations, users := make([]events.Evaluation, n), make([]string, n)
		for i := range n {
			streamed[i], users[i] = liveEvent(i, march), fmt.Sprintf("u%05d", i)
			verdicts[i] = events.Verdict{EventID: streamed[i].EventID, Digest: streamed[i].Digest(), Verdict: events.Folded}
			evaluations[i] = events.Evaluation{EventID: streamed[i].EventID}
		}
		count := func(what string, call func()) {
			trips.Store(0)
			call()
			if n > 1 { // at first the driver asks for the types of the statements
				require.EqualValues(t, 1, trips.Load(), "%s, %d", what, n)
			}
		}
		count("events", func() { postgrestest.Stream(t, s, streamed...) })
		count("states", func() { states(t, s, v, users...) })
		count("verdicts", func() { require.NoError(t, s.WriteVerdicts(t.Context(), verdicts, evaluations)) })
	}
	for _, n := range []int{1, 500, 10_000} {
		take(n)
	}
}

// An interrupted drop keeps its finished chunks, and the next call continues.
func TestDropCoveredEvents_continues_after_an_interruption(t *testing.T) {
	t.Parallel()
	address := postgrestest.URL(t)
	s := postgrestest.Open(t, address)
	s.DropChunk = 3
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march.Add(time.Hour), StoredTo: soon}})
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	for n := range 10 {
		e := liveEvent(n, march)
		postgrestest.Stream(t, s, e)
		require.NoError(t, s.WriteVerdicts(t.Context(), []events.Verdict{{EventID: e.EventID, Verdict: events.Folded}}, nil))
	}
	for _, table := range []string{"live_events", "event_verdicts"} {
		_, err := conn.Exec(t.Context(), `
			CREATE OR REPLACE FUNCTION public.keep_e7() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF old.event_id = 'e7' THEN RAISE 'not this one'; END IF;
				RETURN old;
			END $$;
			CREATE TRIGGER keep_e7 BEFORE DELETE ON recflow.`+table+` FOR EACH ROW EXECUTE FUNCTION public.keep_e7()`)
		require.NoError(t, err)
	}
	for _, want := range []int64{6, 4} { // three at a time
		n, err := s.DropCoveredEvents(t.Context(), soon)
		require.EqualValues(t, want, n)
		verdicts, verdictsErr := s.DropVerdicts(t.Context(), soon)
		require.EqualValues(t, want, verdicts)
		if want == 6 {
			require.ErrorContains(t, err, "not this one")
			require.ErrorContains(t, verdictsErr, "not this one")
		}
		_, err = conn.Exec(t.Context(), "DROP FUNCTION IF EXISTS public.keep_e7 CASCADE")
		require.NoError(t, err)
	}
}

// TestStoreEvents_finds_ids_by_index checks the plan: an index scan for any number
// of ids.
func TestStoreEvents_finds_ids_by_index(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	streamed := make([]recsys.Event, 10_000)
	for i := range streamed {
		streamed[i] = liveEvent(i, march.Add(time.Duration(i)*time.Second))
	}
	began := time.Now()
	postgrestest.Stream(t, s, streamed...)
	stored := time.Since(began)
	postgrestest.Stream(t, s, streamed...)
	again := time.Since(began) - stored
	t.Logf("10,000 events: stored in %s, again in %s", stored, again)
	require.NotContains(t, events.ExplainLookup(t, s.EventStore, 500), "Seq Scan")
}

func TestDrop_uses_chunks_of_the_default_size(t *testing.T) {
	t.Parallel()
	const chunk, rows = 20_000, 20_001
	s := postgrestest.New(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march.Add(time.Hour), StoredTo: soon}})
	streamed := make([]recsys.Event, rows)
	verdicts := make([]events.Verdict, rows)
	for i := range streamed {
		streamed[i] = liveEvent(i, march)
		verdicts[i] = events.Verdict{EventID: streamed[i].EventID, Verdict: events.Folded}
	}
	postgrestest.Stream(t, s, streamed...)
	require.NoError(t, s.WriteVerdicts(t.Context(), verdicts, nil))

	// The first transaction deletes a chunk; the second one, for the last row,
	// fails.
	conn := postgrestest.Conn(t, s)
	for _, table := range []string{"live_events", "event_verdicts"} {
		_, err := conn.Exec(t.Context(), fmt.Sprintf(`
			CREATE FUNCTION recflow.only_chunks_%[1]s() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN
				IF (SELECT count(*) FROM gone) < %[2]d THEN RAISE 'the second chunk'; END IF;
				RETURN NULL;
			END $$;
			CREATE TRIGGER only_chunks AFTER DELETE ON recflow.%[1]s REFERENCING OLD TABLE AS gone
				FOR EACH STATEMENT EXECUTE FUNCTION recflow.only_chunks_%[1]s()`, table, chunk))
		require.NoError(t, err)
	}
	for doing, drop := range map[string]func() (int64, error){
		"drop covered events": func() (int64, error) { return s.DropCoveredEvents(t.Context(), soon) },
		"drop verdicts":       func() (int64, error) { return s.DropVerdicts(t.Context(), soon) },
	} {
		n, err := drop()
		require.ErrorContains(t, err, doing)
		require.ErrorContains(t, err, "the second chunk")
		require.EqualValues(t, chunk, n, doing)
	}
}
