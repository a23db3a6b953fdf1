package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// entry is a line of the log.
type entry struct {
	Message string `json:"msg"`
	Step    string `json:"step"`
	Error   string `json:"error"`
	Stack   string `json:"stack"`
}

func TestHandler_logs_a_panic_without_user_ids(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	const user = "user-id-that-must-not-leak"
	for step, during := range map[string]string{
		"store":    "handle a batch",
		"verdicts": "record the verdicts",
	} {
		t.Run(step, func(t *testing.T) {
			b.deleteEvents()
			b.restart()
			var log bytes.Buffer
			b.Log = slog.New(slog.NewJSONHandler(&log, nil))
			b.inject(t, step, "panic before")
			in := b.batch(click(user, 1, 1))
			require.Equal(t, in.Records[0].Kinesis.SequenceNumber, b.tryHandle(in), "the record is retried")

			var found []entry
			for lines := json.NewDecoder(bytes.NewReader(log.Bytes())); ; {
				var e entry
				err := lines.Decode(&e)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				found = append(found, e)
			}
			require.Len(t, found, 1, log.String())
			assert.Equal(t, []string{during, "panic: injected"}, []string{found[0].Step, found[0].Error})
			assert.Contains(t, found[0].Stack, "(*bundle).inject")
			assert.NotContains(t, log.String(), user)
		})
	}
}

// A panic outside of the work for one user is a function error, which makes the mapping
// split the batch. A panic in the work for one user ends that user's list.
func TestHandler_keeps_a_panic_from_other_records(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.inject(t, "store", "panic before")
	in := b.batch(click("u00001", 1, 1), click("u00002", 1, 1))
	_, err := b.Handle(t.Context(), in)
	require.ErrorIs(t, err, errPanic)

	b.restart()
	const broken = "newcomer-with-a-broken-state"
	b.stateOf(broken, func(s *recsys.UserState) { s.History = recsys.History{Items: []string{"i000001"}} }) // without its weight
	sent := []recsys.Event{click("u00001", 1, 1), click(broken, 2, 2), click("u00002", 3, 3)}
	require.Empty(t, b.send(sent...), "nothing is retried")
	assert.Len(t, b.delivered(), 3, "the next training has every event")
	assert.Len(t, b.last(), 2)
	for i, want := range []string{"", listFailed, ""} {
		assert.Equal(t, want, b.verdict(sent[i]).Reason)
	}

	b.stateOf(broken, nil)
	require.Empty(t, b.send(click(broken, 4, 4)))
	assert.Equal(t, b.list(broken).RecommendationID, b.last()[broken].RecommendationID, "the next list has both events")
}

// stateOf changes the state of a user before the handler gets it.
func (b *bundle) stateOf(user string, change func(*recsys.UserState)) {
	f := b.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = func(s *recsys.UserState) {
		if change != nil && s.ID == user {
			change(s)
		}
	}
}

// The events of a batch are delivered before a list is computed: a function that ends
// then, for example because it needs too much memory, must not keep them from the next
// training.
func TestHandler_delivers_events_before_it_computes_lists(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.Search = inPostgres
	b.inject(t, "search", "kill before")
	in := b.batch(click("u00001", 1, 1), click("newcomer", 2, 2))
	require.NotEmpty(t, b.tryHandle(in))
	assert.Empty(t, b.lists())
	assert.Len(t, b.delivered(), 2)

	b.restart()
	require.Empty(t, b.handle(in))
	assert.Len(t, b.last(), 2)
}

// A search that fails for one user, such as for a vector that is not one of the
// version, ends that user's list only.
func TestHandler_keeps_a_failing_search_from_other_records(t *testing.T) {
	t.Parallel()
	for name, search := range map[string]config.Search{"in memory": inMemory, "in Postgres": inPostgres} {
		for kind, vector := range map[string][]float32{
			"a short vector": {1, 2, 3},
			"not a number":   slices.Repeat([]float32{float32(math.NaN())}, 16),
			"an infinity":    slices.Repeat([]float32{float32(math.Inf(1))}, 16),
		} {
			t.Run(name+": "+kind, func(t *testing.T) {
				t.Parallel()
				b := setup(t, &postgrestest.Fixture{Dimension: 16})
				b.Search = search
				const broken = "u00009"
				b.stateOf(broken, func(s *recsys.UserState) { s.Vector = vector })
				without := click(broken, 2, 2)
				without.EventType = "bookmark" // no weight: the stored vector is searched with
				sent := []recsys.Event{click("u00001", 1, 1), without, click("u00002", 3, 3), click("newcomer", 4, 4)}
				require.Empty(t, b.send(sent...), "nothing is retried")
				assert.Len(t, b.delivered(), 4, "the next training has every event")
				lists := b.last()
				assert.Len(t, lists, 3)
				assert.NotContains(t, lists, broken)
				for i, want := range []string{"", listFailed, "", ""} {
					assert.Equal(t, want, b.verdict(sent[i]).Reason)
				}
			})
		}
	}
}

// An event may have any finite value.
func TestHandler_survives_a_huge_value(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	huge := click("u00009", 2, 2)
	huge.EventType, huge.Value = recsys.Purchase, new(float64)
	*huge.Value = math.MaxFloat64
	sent := []recsys.Event{click("u00001", 1, 1), huge, click("u00002", 3, 3)}
	require.Empty(t, b.send(sent...), "nothing is retried")
	for user, list := range b.last() {
		assert.Len(t, list.Items, b.ListLength, user)
	}
	assert.Len(t, b.last(), 3)
}
