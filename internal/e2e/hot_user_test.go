package e2e_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// TestStream_with_a_hot_user sends half of the events as one user id, through the
// stream, the event source mapping and the real function. The function keeps up, the
// other users do not wait, and the next version is trained with every event.
func TestStream_with_a_hot_user(t *testing.T) {
	const hot = "guest"
	alone, together := 8*time.Second, 25*time.Second
	if *postgrestest.Soak {
		alone, together = time.Minute, 10*time.Minute
	}
	l := newLoop(t)
	l.recflow("up", "--free-ports", "--quiet")
	l.importEvents()
	train := slices.Concat([]string{"refresh", "--wait", "--quiet"}, trainingFlags)
	l.recflow(train...)
	l.connect()

	h := &hotUser{loop: l, random: rand.New(rand.NewPCG(1, 1))}
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { h.watch(watching) })
	h.produce("", alone)
	h.settle()
	began := time.Now()
	h.produce(hot, together)
	h.settle()
	stop()
	group.Wait()

	of := map[bool][]float64{} // latencies of the other users, before and with the hot user
	lists := 0
	eachLine(l, "recommendations/", func(r stream.Recommendation) {
		if r.UserID != hot {
			with := r.CreatedAt.After(began)
			of[with] = append(of[with], float64(r.LatencyMS))
		} else if lists++; r.EventsNotFolded > 0 {
			h.limited = true
		}
	})
	before, with := percentile(of[false], 95), percentile(of[true], 95)
	t.Logf("%d events, %d of one user; iterator age at most %s; largest process of the function %d MiB; p95 latency of the other users %.0f ms before, %.0f ms with the hot user, who got %d lists",
		len(l.sent), h.hot, h.age.Round(time.Millisecond), h.memory>>20, before, with, lists)
	require.Greater(t, h.hot, recsys.MaxUserEvents)
	require.True(t, h.limited, "the limit of folded events was reached")
	require.LessOrEqual(t, h.memory, int64(functionMemory))
	require.Less(t, h.age, time.Minute, "iterator age")
	require.LessOrEqual(t, with, 2*before+1000)

	stored := l.storedEvents()
	require.Len(t, stored, len(l.sent))
	delivered := map[string]bool{}
	eachLine(l, "raw/events/", func(e recsys.Event) { delivered[e.EventID] = true })
	require.Len(t, delivered, len(stored), "every event goes to the next training")

	harnesstest.Pause(t.Context(), 6*time.Second) // RECFLOW_STORED_MARGIN
	l.recflow(train...)
	live, err := l.store.Live(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, live.Version.ID, "the next version is promoted")
	require.EqualValues(t, len(l.sent), live.Manifest.Input.Streamed.Total(), "it was trained with every event")
	states, _, err := l.store.UserStates(t.Context(), live.Version, []string{hot})
	require.NoError(t, err)
	var weight float64
	for _, w := range states[0].History.Weights {
		weight += float64(w)
	}
	require.InDelta(t, h.hot, weight, 0.5)
	l.check()
}

// hotUser is a loop with events of one user, and what was seen of the stream.
type hotUser struct {
	*loop
	random  *rand.Rand
	hot     int // events of the user
	limited bool

	age    time.Duration // largest iterator age
	memory int64         // largest resident memory of a process of the function, in bytes
}

// produce sends 600 events a second, half of them as the hot user unless it is empty.
func (h *hotUser) produce(hot string, length time.Duration) {
	const perPut = 150
	end := time.Now().Add(length)
	for time.Now().Before(end) {
		next := time.Now().Add(time.Second * perPut / 600)
		in := &kinesis.PutRecordsInput{StreamName: aws.String(h.kinesis.Stream())}
		for range perPut {
			u := h.random.IntN(receivers)
			e := recsys.Event{
				EventID: fmt.Sprintf("e%d", len(h.sent)), UserID: fmt.Sprintf("u%d", u), ItemID: itemOf(u, h.random.IntN(60)),
				EventType: recsys.Click, OccurredAt: time.Now().UTC().Truncate(time.Microsecond),
			}
			if hot != "" && h.random.IntN(2) == 0 {
				e.UserID = hot
				h.hot++
			}
			h.sent[e.EventID] = e
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: aws.String(e.UserID), Data: stream.EncodeEvent(e)})
		}
		out, err := h.kinesis.API().PutRecords(h.t.Context(), in)
		require.NoError(h.t, err)
		require.Zero(h.t, aws.ToInt32(out.FailedRecordCount))
		harnesstest.Pause(h.t.Context(), time.Until(next))
	}
}

// settle waits until the function has handled everything and Firehose has delivered
// it.
func (h *hotUser) settle() {
	h.eventually("the mapping has no backlog", func() bool {
		status, err := h.mapping()
		return err == nil && status.IteratorAgeMS == 0 && len(h.storedEvents()) == len(h.sent)
	})
	h.eventually("every event is delivered", func() bool {
		n := map[string]bool{}
		eachLine(h.loop, "raw/events/", func(e recsys.Event) { n[e.EventID] = true })
		return len(n) == len(h.sent)
	})
}

func (h *hotUser) watch(ctx context.Context) {
	for harnesstest.Pause(ctx, 500*time.Millisecond) {
		if status, err := h.mapping(); err == nil {
			h.age = max(h.age, time.Duration(status.IteratorAgeMS)*time.Millisecond)
		}
		for _, pid := range h.function() {
			h.memory = max(h.memory, resident(pid))
		}
	}
}

func percentile[T cmp.Ordered](values []T, p int) T {
	slices.Sort(values)
	return values[len(values)*p/100]
}
