package events_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// BenchmarkStoreEvents stores batches of new events, and the same batches
// again. The test server does not wait for its disk.
func BenchmarkStoreEvents(b *testing.B) {
	s := postgrestest.New(b)
	next := 0
	batch := func(n int) []events.StreamEvent {
		streamed := make([]events.StreamEvent, n)
		for i := range streamed {
			e := liveEvent(next, march.Add(time.Duration(next)*time.Second))
			streamed[i] = events.StreamEvent{Event: e, Digest: e.Digest()}
			next++
		}
		return streamed
	}
	for _, n := range []int{1, 500, 10_000} {
		store := func(b *testing.B, streamed []events.StreamEvent) {
			_, err := s.StoreEvents(b.Context(), streamed)
			require.NoError(b, err)
		}
		b.Run(fmt.Sprintf("new/%d", n), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				streamed := batch(n)
				b.StartTimer()
				store(b, streamed)
			}
		})
		b.Run(fmt.Sprintf("again/%d", n), func(b *testing.B) {
			streamed := batch(n)
			store(b, streamed)
			for b.Loop() {
				store(b, streamed)
			}
		})
	}
}

// BenchmarkUserStates reads users with a history and ten uncovered events each,
// and one with ten thousand.
func BenchmarkUserStates(b *testing.B) {
	s := postgrestest.New(b)
	v := postgrestest.Build(b, s, postgrestest.Fixture{Items: 400, Users: 10_000, Dimension: 64, Coverage: recsys.Coverage{To: march, StoredTo: march}})
	streamed := make([]recsys.Event, 0, 110_000)
	for n := range 110_000 {
		e := liveEvent(n, march.Add(time.Duration(n)*time.Second))
		e.UserID = fmt.Sprintf("u%05d", n%10_000)
		if n >= 100_000 {
			e.UserID = "hot"
		}
		streamed = append(streamed, e)
	}
	postgrestest.Stream(b, s, streamed...)
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
