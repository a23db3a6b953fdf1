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

// BenchmarkStoreEvents stores batches of new events, and again what is there
// already. The server of the tests does not wait for its disk.
func BenchmarkStoreEvents(b *testing.B) {
	s := vectorstoretest.New(b)
	next := 0
	batch := func(n int) []vectorstore.StreamEvent {
		events := make([]vectorstore.StreamEvent, n)
		for i := range events {
			e := liveEvent(next, march.Add(time.Duration(next)*time.Second))
			events[i] = vectorstore.StreamEvent{Event: e, Digest: e.Digest()}
			next++
		}
		return events
	}
	for _, n := range []int{1, 500, 10_000} {
		store := func(b *testing.B, events []vectorstore.StreamEvent) {
			_, err := s.StoreEvents(b.Context(), events)
			require.NoError(b, err)
		}
		b.Run(fmt.Sprintf("new/%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				events := batch(n)
				b.StartTimer()
				store(b, events)
			}
		})
		b.Run(fmt.Sprintf("again/%d", n), func(b *testing.B) {
			events := batch(n)
			store(b, events)
			for b.Loop() {
				store(b, events)
			}
		})
	}
}

// BenchmarkUserStates reads users with a history and ten uncovered events each,
// and one with ten thousand.
func BenchmarkUserStates(b *testing.B) {
	s := vectorstoretest.New(b)
	v := vectorstoretest.Build(b, s, vectorstoretest.Fixture{Items: 400, Users: 10_000, Dimension: 64, Coverage: recsys.Coverage{To: march, StoredTo: march}})
	events := make([]recsys.Event, 0, 110_000)
	for n := range 110_000 {
		e := liveEvent(n, march.Add(time.Duration(n)*time.Second))
		e.UserID = fmt.Sprintf("u%05d", n%10_000)
		if n >= 100_000 {
			e.UserID = "hot"
		}
		events = append(events, e)
	}
	vectorstoretest.Stream(b, s, events...)
	users := make([]string, 10_000)
	for i := range users {
		users[i] = fmt.Sprintf("u%05d", i)
	}
	for name, ids := range map[string][]string{"100": users[:100], "10000": users, "hot": {"hot"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _, err := s.UserStates(b.Context(), v, ids)
				require.NoError(b, err)
			}
		})
	}
}
