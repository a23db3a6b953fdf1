package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func startWindow(t *testing.T, s *postgrestest.Store, id string, window backfill.Window) {
	t.Helper()
	state, err := s.StartWindow(t.Context(), id, window)
	require.NoError(t, err)
	require.Equal(t, backfill.Running, state)
}

func TestCreateBackfill(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)

	t.Run("it creates one backfill for repeated requests", func(t *testing.T) {
		ids := make([]string, 50)
		var group sync.WaitGroup
		for i := range ids {
			group.Go(func() {
				b, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, fmt.Sprintf("same%d", i), 1, 5))
				if err == nil {
					ids[i] = b.ID
				}
			})
		}
		group.Wait()
		for _, id := range ids {
			require.Equal(t, ids[0], id)
			require.NotEmpty(t, id)
		}
		b, err := s.Backfill(t.Context(), ids[0])
		require.NoError(t, err)
		require.Equal(t, backfill.Pending, b.State)
		require.Equal(t, backfill.WindowCount{Total: 4, Pending: 4}, b.Count)
		require.Equal(t, postgrestest.Day(2), b.Windows[0].To)
		require.True(t, b.Windows[0].From.IsZero())
		_, err = s.EndBackfill(t.Context(), b.ID, 1, "over")
		require.NoError(t, err)
		again, existing, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "later", 1, 5))
		require.NoError(t, err)
		require.False(t, existing, "the earlier one has ended")
		_, err = s.EndBackfill(t.Context(), again.ID, 1, "over")
		require.NoError(t, err)

		retried, err := s.RetryBackfill(t.Context(), again.ID)
		require.NoError(t, err)
		found, err := s.FindBackfill(t.Context(), "", postgrestest.AsOf(t, "", 1, 5).RequestDigest)
		require.NoError(t, err, "while it is retried, the same request finds it")
		require.Equal(t, retried.ID, found.ID)
		_, err = s.EndBackfill(t.Context(), again.ID, 2, "over")
		require.NoError(t, err)
	})
	t.Run("it skips windows that have succeeded before", func(t *testing.T) {
		n := postgrestest.AsOf(t, "planned", 20, 23)
		other, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "faster", 20, 22))
		require.NoError(t, err)
		startWindow(t, s, other.ID, backfill.Window{Index: 0, Attempt: 1})
		require.NoError(t, s.EndWindow(t.Context(), other.ID, backfill.Window{Index: 0, Attempt: 1, State: backfill.Succeeded, Version: 9}))
		_, err = s.EndBackfill(t.Context(), other.ID, 1, "over")
		require.NoError(t, err)
		b, _, err := s.CreateBackfill(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, backfill.WindowCount{Total: 3, Skipped: 1, Pending: 2}, b.Count)
		require.Equal(t, "already trained as version 9 of backfill faster", b.Windows[0].Reason)
		require.Equal(t, "it never ran", b.Windows[2].Reason)
	})
	t.Run("it keeps a client's key forever", func(t *testing.T) {
		n := postgrestest.AsOf(t, "keyed", 1, 5)
		n.IdempotencyKey = "digest:chosen by the client"
		first, _, err := s.CreateBackfill(t.Context(), n)
		require.NoError(t, err)
		_, err = s.EndBackfill(t.Context(), first.ID, 1, "over")
		require.NoError(t, err)
		n.ID = "keyed2"
		b, existing, err := s.CreateBackfill(t.Context(), n)
		require.NoError(t, err)
		require.True(t, existing)
		require.Equal(t, first.ID, b.ID)
		n.RequestDigest = []byte("another")
		_, _, err = s.CreateBackfill(t.Context(), n)
		require.ErrorIs(t, err, ledger.ErrKeyReused)
	})
	t.Run("it rejects overlapping ranges and accepts disjoint ones", func(t *testing.T) {
		first, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "left", 1, 5))
		require.NoError(t, err)
		_, _, err = s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "over", 4, 8))
		var overlap *ledger.OverlapError
		require.ErrorAs(t, err, &overlap)
		require.Equal(t, first.ID, overlap.ID)
		require.ErrorIs(t, err, recsys.ErrConflict)
		_, _, err = s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "right", 5, 8))
		require.NoError(t, err)
		_, err = s.EndBackfill(t.Context(), first.ID, 1, "its workflow is gone")
		require.NoError(t, err)
		_, _, err = s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "cancelled again", 2, 4))
		require.NoError(t, err, "an ended backfill releases its range")
	})
}

func TestCreateBackfill_is_unique_per_request(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	s := postgrestest.Open(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })
	// copied writes a copy of a backfill with SQL.
	copied := func(id, as string) error {
		_, err := conn.Exec(t.Context(), `
			INSERT INTO recflow.backfills (id, kind, state, range_to, max_parallel, rerun, promote, request, parameters, idempotency_key, request_digest, actor, workflow_id)
			SELECT $2, kind, 'pending', range_to, max_parallel, rerun, promote, request, parameters, idempotency_key, request_digest, actor, $2
			FROM recflow.backfills
			WHERE id = $1`, id, as)
		return err
	}
	_, _, err = s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "own", 1, 2))
	require.NoError(t, err)
	require.ErrorContains(t, copied("own", "second"), "backfills_request_active")
	_, err = s.EndBackfill(t.Context(), "own", 1, "over")
	require.NoError(t, err)
	require.NoError(t, copied("own", "second"), "the earlier one has ended")

	n := postgrestest.AsOf(t, "keyed", 3, 4)
	n.IdempotencyKey = "key"
	_, _, err = s.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	_, err = s.EndBackfill(t.Context(), "keyed", 1, "over")
	require.NoError(t, err)
	require.ErrorContains(t, copied("keyed", "third"), "backfills_idempotency_key")
}

func TestBackfillStates(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	b, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "b", 1, 5))
	require.NoError(t, err)
	b, err = s.StartBackfill(t.Context(), b.ID, 1, "run1")
	require.NoError(t, err)
	require.Equal(t, []any{backfill.Running, "run1"}, []any{b.State, b.Owner})
	beat := b.HeartbeatAt
	require.False(t, beat.IsZero())
	require.NoError(t, s.RecordHeartbeat(t.Context(), b.ID, 1, "run1"))
	alive, err := s.Backfill(t.Context(), b.ID)
	require.NoError(t, err)
	require.Greater(t, alive.HeartbeatAt, beat)
	require.Equal(t, b.Revision, alive.Revision, "a heartbeat does not change the revision")

	attempt := func(index, attempt int, state string) {
		t.Helper()
		at := backfill.Window{Index: index, Attempt: attempt, WorkflowID: fmt.Sprintf("w%d-%d", index, attempt)}
		startWindow(t, s, b.ID, at)
		startWindow(t, s, b.ID, at) // it has no effect when repeated
		if state == "" {
			return
		}
		at.State, at.Version, at.Rows, at.Error = state, 7, 100, "because"
		at.Metrics = &recsys.Metrics{Users: 3, Candidate: map[string]recsys.Metric{"ndcg@100": {Value: 0.5}}}
		require.NoError(t, s.EndWindow(t.Context(), b.ID, at))
		at.State = backfill.Failed
		require.NoError(t, s.EndWindow(t.Context(), b.ID, at), "the first outcome is final")
	}
	attempt(0, 1, backfill.Succeeded)
	attempt(1, 1, backfill.Failed)
	attempt(2, 1, "")
	before := b.Revision
	b, err = s.Backfill(t.Context(), b.ID)
	require.NoError(t, err)
	require.Equal(t, before+5, b.Revision, "one revision per change")
	require.Equal(t, backfill.WindowCount{Total: 4, Pending: 1, Running: 1, Succeeded: 1, Failed: 1}, b.Count)
	require.Equal(t, 0.5, b.Windows[0].Metrics.Candidate["ndcg@100"].Value)

	_, err = s.RetryBackfill(t.Context(), b.ID)
	require.ErrorIs(t, err, recsys.ErrConflict, "it is running")
	b, err = s.CancelBackfill(t.Context(), b.ID)
	require.NoError(t, err)
	require.Equal(t, backfill.Cancelling, b.State)
	b, err = s.EndBackfill(t.Context(), b.ID, 1, "")
	require.NoError(t, err)
	require.Equal(t, backfill.Cancelled, b.State)
	require.Equal(t, backfill.WindowCount{Total: 4, Succeeded: 1, Failed: 1, Cancelled: 2}, b.Count)
	require.Empty(t, b.Windows[1].Earlier)

	b, err = s.RetryBackfill(t.Context(), b.ID)
	require.NoError(t, err)
	require.Equal(t, []any{backfill.Pending, 2, backfill.WorkflowID(b, 2)}, []any{b.State, b.Round, b.WorkflowID})
	require.Equal(t, backfill.WindowCount{Total: 4, Pending: 3, Succeeded: 1}, b.Count)
	ended, err := s.EndBackfill(t.Context(), b.ID, 1, "an old round")
	require.NoError(t, err)
	require.Equal(t, backfill.Pending, ended.State)
	b, err = s.StartBackfill(t.Context(), b.ID, 2, "run2")
	require.NoError(t, err)
	for _, window := range b.Windows[1:] {
		attempt(window.Index, window.Attempt+1, backfill.Succeeded)
	}
	b, err = s.EndBackfill(t.Context(), b.ID, 2, "")
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, b.State)
	require.Equal(t, 2, b.Windows[1].Attempt)
	require.Empty(t, b.Windows[0].Earlier)
	require.Len(t, b.Windows[1].Earlier, 1)
	first := b.Windows[1].Earlier[0]
	require.Equal(t, []any{1, backfill.Failed, "because", "w1-1", int64(7)}, []any{first.Attempt, first.State, first.Error, first.WorkflowID, first.Version})
	require.False(t, first.EndedAt.IsZero())
	require.Equal(t, backfill.Cancelled, b.Windows[2].Earlier[0].State, "it was running when the backfill ended")
	_, err = s.RetryBackfill(t.Context(), b.ID)
	require.ErrorIs(t, err, recsys.ErrConflict, "there is nothing to retry")
}

func TestSkipWindow(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	b, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "b", 1, 3))
	require.NoError(t, err)
	_, err = s.StartBackfill(t.Context(), b.ID, 1, "run")
	require.NoError(t, err)
	skip := func(index int, reason string) string {
		t.Helper()
		state, err := s.SkipWindow(t.Context(), b.ID, index, reason)
		require.NoError(t, err)
		return state
	}
	startWindow(t, s, b.ID, backfill.Window{Index: 1, Attempt: 1})
	require.Equal(t, backfill.Running, skip(1, "too late"))
	require.Equal(t, backfill.Skipped, skip(0, backfill.NoEvents))
	require.Equal(t, backfill.Skipped, skip(0, "again"))
	state, err := s.StartWindow(t.Context(), b.ID, backfill.Window{Index: 0, Attempt: 1})
	require.NoError(t, err)
	require.Equal(t, backfill.Skipped, state)
	require.NoError(t, s.EndWindow(t.Context(), b.ID, backfill.Window{Index: 1, Attempt: 1, State: backfill.Succeeded}))
	b, err = s.EndBackfill(t.Context(), b.ID, 1, "")
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, b.State)
	require.Equal(t, backfill.WindowCount{Total: 2, Succeeded: 1, Skipped: 1}, b.Count)
	require.Equal(t, []any{backfill.NoEvents, 0}, []any{b.Windows[0].Reason, b.Windows[0].Attempt})
}

func TestDecideWindows(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	b, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "first", 1, 4))
	require.NoError(t, err)
	_, err = s.StartBackfill(t.Context(), b.ID, 1, "run1")
	require.NoError(t, err)
	for i, state := range []string{backfill.Succeeded, backfill.Failed} {
		at := backfill.Window{Index: i, Attempt: 1, State: state, Version: int64(40 + i)}
		startWindow(t, s, b.ID, at)
		require.NoError(t, s.EndWindow(t.Context(), b.ID, at))
	}
	decide := func(rerun, parameters string) (states []string, windows []backfill.Window) {
		n := postgrestest.AsOf(t, "next", 1, 4)
		require.NoError(t, s.DecideWindows(t.Context(), n.Kind, rerun, []byte(parameters), n.Windows))
		for _, window := range n.Windows {
			states = append(states, window.State)
		}
		return states, n.Windows
	}
	states, windows := decide(backfill.RerunMissing, "p")
	require.Equal(t, []string{"skipped", "pending", "pending"}, states)
	require.Equal(t, "already trained as version 40 of backfill first", windows[0].Reason)
	require.Equal(t, "failed in backfill first", windows[1].Reason)
	require.Equal(t, "it never ran", windows[2].Reason)
	states, _ = decide(backfill.RerunFailed, "p")
	require.Equal(t, []string{"skipped", "pending", "skipped"}, states)
	states, _ = decide(backfill.RerunAll, "p")
	require.Equal(t, []string{"pending", "pending", "pending"}, states)
	states, _ = decide(backfill.RerunMissing, "other parameters")
	require.Equal(t, []string{"pending", "pending", "pending"}, states)

	_, err = s.EndBackfill(t.Context(), b.ID, 1, "gone")
	require.NoError(t, err)
	n := postgrestest.AsOf(t, "none", 1, 2)
	require.NoError(t, s.DecideWindows(t.Context(), n.Kind, backfill.RerunMissing, n.Parameters, n.Windows))
	done, _, err := s.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, backfill.Succeeded, done.State, "there is nothing to do")
}

func TestBackfills_lists_pages(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	for n := range 5 {
		_, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, fmt.Sprintf("b%d", n), 1+n, 2+n))
		require.NoError(t, err)
	}
	var ids []string
	var after *backfill.Backfill
	for {
		page, err := s.Backfills(t.Context(), after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			ids = append(ids, b.ID)
		}
		after = &page[len(page)-1]
	}
	require.Equal(t, []string{"b4", "b3", "b2", "b1", "b0"}, ids)
	stale, err := s.StaleBackfills(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Len(t, stale, 3)
	require.NoError(t, s.RecordHeartbeat(t.Context(), stale[0].ID, 1, "run"))
	last, err := s.StaleBackfills(t.Context(), 0, 5)
	require.NoError(t, err)
	require.Equal(t, stale[0].ID, last[4].ID, "the oldest heartbeat comes first")
	stale, err = s.StaleBackfills(t.Context(), time.Hour, 3)
	require.NoError(t, err)
	require.Empty(t, stale)
}

func TestDecideWindows_repeats_a_refresh_whose_version_was_dropped(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: postgrestest.Manifest(t, postgrestest.Fixture{RunID: "run"})})
	require.NoError(t, err)
	require.NoError(t, s.MarkReady(t.Context(), v.ID, nil))
	cut, err := backfill.Cut(backfill.Refresh, time.Time{}, postgrestest.Day(9), 0)
	require.NoError(t, err)
	n := postgrestest.AsOf(t, "b", 1, 2)
	n.Kind, n.From, n.To, n.Windows = backfill.Refresh, time.Time{}, postgrestest.Day(9), cut
	b, _, err := s.CreateBackfill(t.Context(), n)
	require.NoError(t, err)
	startWindow(t, s, b.ID, backfill.Window{Attempt: 1})
	require.NoError(t, s.EndWindow(t.Context(), b.ID, backfill.Window{Attempt: 1, State: backfill.Succeeded, Version: v.ID}))
	decide := func() backfill.Window {
		require.NoError(t, s.DecideWindows(t.Context(), n.Kind, backfill.RerunMissing, n.Parameters, cut))
		return cut[0]
	}
	require.Equal(t, backfill.Skipped, decide().State)
	require.NoError(t, s.MarkRefused(t.Context(), v.ID, nil))
	require.Equal(t, backfill.Pending, decide().State)
	require.Contains(t, decide().Reason, "was dropped")
}

// A window that ends while its backfill is retried or ended takes the locks in the same
// order.
func TestEndWindow_does_not_deadlock_with_a_change_of_the_backfill(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	b, _, err := s.CreateBackfill(t.Context(), postgrestest.AsOf(t, "b", 1, 3))
	require.NoError(t, err)
	window := b.Windows[0]
	window.Attempt, window.WorkflowID = 1, "w"
	startWindow(t, s, b.ID, window)

	conn := postgrestest.Conn(t, s)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT FROM recflow.backfills WHERE id = $1 FOR UPDATE", b.ID)
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		window.State = backfill.Succeeded
		ended <- s.EndWindow(t.Context(), b.ID, window)
	}()
	watch := postgrestest.Conn(t, s)
	require.Eventually(t, func() bool {
		var waiting int
		require.NoError(t, watch.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").Scan(&waiting))
		return waiting == 1
	}, 30*time.Second, 10*time.Millisecond)
	_, err = tx.Exec(t.Context(), "UPDATE recflow.backfill_windows SET reason = reason WHERE backfill_id = $1", b.ID)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-ended)
}
