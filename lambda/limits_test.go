package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// maxRoundTrips is the limit for a batch, see docs/architecture.md.
const maxRoundTrips = 8

func TestHandler_round_trips(t *testing.T) {
	t.Parallel()
	address := postgrestest.URL(t)
	b := &bundle{t: t, db: postgrestest.Open(t, address)}
	b.version = postgrestest.Build(t, b.db, postgrestest.Fixture{Change: func(d *postgrestest.Data) { b.data = *d }})
	b.promote(b.version)
	b.restart()
	trips := postgrestest.CountRoundTrips(t, address)
	counted := postgrestest.Open(t, trips.URL)
	b.Open = opener(counted)
	r := rand.New(rand.NewPCG(1, 1))
	// The driver asks once per connection for the types of each statement.
	require.Empty(t, b.send(manyEvents(r, 50, b.data.Users)...))
	next := 50
	for _, batch := range []struct {
		n      int
		search config.Search
	}{{1, inPostgres}, {100, inPostgres}, {10_000, inPostgres}, {100, inMemory}, {100, inMemory}, {10_000, inMemory}} {
		n := batch.n
		b.Search = batch.search
		setAvailable(b, "i000001", false) // the popular list and the availability are read again
		evs := manyEvents(r, n, b.data.Users)
		for i := range evs {
			evs[i].EventID = fmt.Sprint("n", next)
			if n == 10_000 && i%2 == 0 {
				evs[i].UserID = fmt.Sprint("crowd-", i)
			}
			next++
		}
		trips.Store(0)
		begin := time.Now()
		done := b.process(t.Context(), b.batch(evs...))
		require.Empty(t, done.response().BatchItemFailures)
		t.Logf("%d events, %d lists so far, %d items in memory: %d round trips, %s: %+v", n, len(b.lists()), b.reader.ItemsInMemory(), trips.Load(), time.Since(begin), done.times)
		assert.LessOrEqual(t, trips.Load(), int64(maxRoundTrips))
	}
	b.promote(postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "next"}))
	trips.Store(0)
	viewer := click("viewer", 3, 97)
	viewer.EventType = "bookmark" // weighs nothing: the popular items
	require.Empty(t, b.send(click("u00001", 1, 99), click("stranger", 2, 98), viewer))
	t.Logf("after a promotion: %d round trips, including the one that asks for types", trips.Load())
	assert.LessOrEqual(t, trips.Load(), int64(maxRoundTrips))
}

// setAvailable sets whether an item is available.
func setAvailable(b *bundle, id string, available bool) {
	b.t.Helper()
	_, err := b.db.ChangeItem(b.t.Context(), id, embeddings.ItemChange{Available: &available})
	require.NoError(b.t, err)
}

// A batch of the largest size that Lambda sends retains no memory.
func TestHandler_retains_no_memory(t *testing.T) {
	b := setup(t, &postgrestest.Fixture{Items: 2000})
	r := rand.New(rand.NewPCG(1, 1))
	batch := func(n int) []recsys.Event {
		evs := manyEvents(r, 10_000, b.data.Users)
		for i := range evs {
			evs[i].EventID = fmt.Sprintf("m%d-%d", n, i)
			evs[i].UserID = fmt.Sprintf("m%d-%d", n, i/10)
		}
		return evs
	}
	var heap []uint64
	for n := range 3 {
		in := b.batch(batch(n)...)
		require.Empty(t, b.handle(in))
		b.out.lines = map[string][][]byte{}
		in.Records = nil
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = append(heap, m.HeapAlloc>>20)
	}
	t.Logf("MiB in use after each batch of 10,000 events of 1,000 users: %v", heap)
	assert.Less(t, slices.Max(heap[1:]), heap[0]+32)
}
