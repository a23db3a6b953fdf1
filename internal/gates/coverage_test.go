package gates_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/gates"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// training builds a version of a training that read the given events, which were
// stored before a time.
type training struct {
	*testing.T
	store *postgrestest.Store
	n     int
}

func (tr *training) event(id string) time.Time {
	tr.Helper()
	e := recsys.Event{EventID: id, UserID: "u00001", ItemID: "i000001", EventType: recsys.Click, OccurredAt: time.Now().UTC().Add(-time.Minute)}
	return postgrestest.Stream(tr, tr.store, e).Events[0].At
}

// run trains on the events that were read since the baseline, and returns the version
// and the result of the gate.
func (tr *training) run(storedTo time.Time, read ...string) (int64, recsys.GateResult) {
	tr.Helper()
	tr.n++
	run := fmt.Sprintf("training-%d", tr.n)
	b, err := tr.store.StartTraining(tr.Context(), run, versions.Owner{})
	require.NoError(tr, err)
	var hash uint64
	for _, id := range read {
		hash ^= recsys.IDHash("", id)
	}
	v, results := check(tr.T, tr.store, postgrestest.Fixture{
		RunID: run, Coverage: recsys.Coverage{To: time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond), StoredTo: storedTo},
		ChangeManifest: func(m *recsys.Manifest) {
			m.Input.Streamed = recsys.StreamedInput{
				EventSet: recsys.EventSet{Count: int64(len(read)), Hash: fmt.Sprintf("%016x", hash)}, Baseline: b,
			}
		},
	}, nil)
	return v.ID, find(results, recsys.GateCoverage)
}

// One loss that was accepted does not refuse the trainings after it.
func TestCoverage_after_an_accepted_loss(t *testing.T) {
	t.Parallel()
	tr := training{T: t, store: postgrestest.New(t)}
	first := tr.event("lost")
	between := first.Add(time.Microsecond)
	v, gate := tr.run(between)
	require.True(t, gate.Refuses())
	require.Contains(t, gate.Reason, "of 1 streamed events since its baseline, the first event, the training read 0")

	gate.Accepted = "one object was deleted by hand"
	require.NoError(t, tr.store.MarkReady(t.Context(), v, []recsys.GateResult{gate}))
	postgrestest.Promote(t, tr.store, v)

	second := tr.event("delivered")
	_, gate = tr.run(second.Add(time.Microsecond), "delivered")
	assert.True(t, gate.Passed, gate.Reason)
	assert.Contains(t, gate.Reason, "the 1 streamed events since its baseline, version 1")
	_, gate = tr.run(second.Add(time.Microsecond))
	assert.True(t, gate.Refuses(), "a new loss")
}

// Postgres was restored, or is new, and the bucket has the events of before.
func TestCoverage_of_an_old_bucket(t *testing.T) {
	t.Parallel()
	tr := training{T: t, store: postgrestest.New(t)}
	soon := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	_, gate := tr.run(soon, "old-1", "old-2")
	require.True(t, gate.Refuses())
	require.Contains(t, gate.Reason, "recflow coverage accept")

	stored := tr.event("new")
	require.NoError(t, tr.store.Trust(t.Context(), stored))
	_, gate = tr.run(soon, "new")
	assert.True(t, gate.Passed, gate.Reason)
	_, gate = tr.run(soon)
	assert.True(t, gate.Refuses(), "events after the accepted time are compared")
}

// The events that the baseline does not cover were deleted since, because the training
// has ended long ago: a new check says so.
func TestCoverage_is_not_checked_without_the_events(t *testing.T) {
	t.Parallel()
	tr := training{T: t, store: postgrestest.New(t)}
	soon := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	tr.event("e")
	v, gate := tr.run(soon, "e")
	require.True(t, gate.Passed, gate.Reason)
	require.NoError(t, tr.store.MarkReady(t.Context(), v, nil))
	require.NoError(t, tr.store.EndTraining(t.Context(), "training-1"))
	n, err := tr.store.DropCoveredEvents(t.Context(), soon)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	_, gate = tr.run(soon)
	assert.True(t, gate.Passed, gate.Reason)
	results, err := gates.New(tr.store.DB, recommend.NewSlot(tr.store.EmbeddingStore, 1<<30)).Check(t.Context(), v, nil, nil)
	require.NoError(t, err)
	gate = find(results, recsys.GateCoverage)
	assert.True(t, gate.Warning)
	assert.Contains(t, gate.Reason, "were deleted since")
}
