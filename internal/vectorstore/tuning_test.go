package vectorstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

// These tests work in steps of the sizes that the store has by default; others
// choose small ones with vectorstore.Tuning.

func TestDropsRunInChunksOfTheDefaultSize(t *testing.T) {
	t.Parallel()
	const chunk, rows = 20_000, 20_001
	s := vectorstoretest.New(t)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: march.Add(time.Hour), StoredTo: soon}})
	events := make([]recsys.Event, rows)
	verdicts := make([]vectorstore.Verdict, rows)
	for i := range events {
		events[i] = liveEvent(i, march)
		verdicts[i] = vectorstore.Verdict{EventID: events[i].EventID, Verdict: vectorstore.Folded}
	}
	vectorstoretest.Stream(t, s, events...)
	require.NoError(t, s.WriteVerdicts(t.Context(), verdicts, nil))
	whole, err := s.StreamedSet(t.Context(), v.Coverage)
	require.NoError(t, err)

	// The first transaction drops a chunk; the second one, for the last row, fails.
	conn := vectorstoretest.Conn(t, s)
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
	after, err := s.StreamedSet(t.Context(), v.Coverage)
	require.NoError(t, err)
	require.Equal(t, whole, after)
}

func TestTheHoldoutIsReadInPagesOfTheDefaultSize(t *testing.T) {
	t.Parallel()
	const users, each = 5, 2_001 // a page of 5,000 ends inside the third user
	s := vectorstoretest.New(t)
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 30, Users: 10, Change: func(d *vectorstoretest.Data) {
		row := d.Holdout[0]
		d.Holdout = nil
		for i := range users * each {
			row.UserID = fmt.Sprintf("h%d", i/each)
			row.EventID = fmt.Sprintf("e%05d", i)
			row.Answer = i%each == each-1
			d.Holdout = append(d.Holdout, row)
		}
	}})
	var seen []string
	err := s.HoldoutUsers(t.Context(), v, func(user string, history, answers []recsys.Event) error {
		require.Len(t, history, each-1)
		require.Len(t, answers, 1)
		seen = append(seen, user)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"h0", "h1", "h2", "h3", "h4"}, seen)
}

func TestBuildIndexesReportsEverySecondByDefault(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	v := vectorstoretest.Load(t, s, vectorstoretest.Fixture{Items: 30, Users: 10})
	other := vectorstoretest.Conn(t, s) // an earlier attempt, which holds the lock of builds
	const buildLock = 0x6275696c
	_, err := other.Exec(t.Context(), "SELECT pg_advisory_lock($1, $2)", int32(buildLock), int32(v.ID))
	require.NoError(t, err)
	reported := make(chan time.Time, 100)
	built := make(chan error, 1)
	go func() {
		built <- s.BuildIndexes(t.Context(), claimIndexes(t, s, v.ID), func(p vectorstore.IndexProgress) {
			if p.Step == "wait for an earlier attempt" {
				reported <- time.Now()
			}
		})
	}()
	first := <-reported
	require.GreaterOrEqual(t, (<-reported).Sub(first), time.Second)
	_, err = other.Exec(t.Context(), "SELECT pg_advisory_unlock($1, $2)", int32(buildLock), int32(v.ID))
	require.NoError(t, err)
	require.NoError(t, <-built)
}
