package eventsource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
)

// world is the model of the property test: the records in order, their outcomes,
// and the violations found.
type world struct {
	*fixture
	rnd     *rand.Rand
	poison  bool // records whose ID ends in ! always fail
	trouble float64

	mu       sync.Mutex
	order    map[string][]string // IDs of each key, as put
	resolved map[string]bool     // succeeded, or in the destination
	active   map[string]int      // keys in an invocation, by life
	life     int                 // incremented by every kill
	again    bool                // redelivery is allowed: there was a restart
	broken   []string            // violations found
}

// key returns the partition key of an ID.
func key(id string) string { return id[:strings.IndexByte(id, '/')] }

func (w *world) brokenf(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}

// lifeOf returns the function of a life: after its kill it has no effect.
func (w *world) lifeOf(life int) Function {
	return func(ctx context.Context, payload []byte) ([]byte, string, error) {
		b := readBatch(payload)
		w.mu.Lock()
		if life != w.life {
			w.mu.Unlock()
			return nil, "", errors.New("killed")
		}
		w.enter(b)
		reply := w.rnd.Float64()
		at := w.rnd.IntN(len(b.ids))
		w.mu.Unlock()
		if reply < 0.1 {
			harnesstest.Pause(ctx, time.Duration(reply*float64(5*time.Millisecond))) // a slow function
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.leave(b)
		if life != w.life {
			return nil, "", errors.New("killed")
		}
		return w.counted(w.reply(b, at))
	}
}

// enter checks an invocation: in order, no key twice at a time, and no record
// before the preceding records of its key are resolved or in the same batch.
func (w *world) enter(b batch) {
	with := map[string]bool{}
	for i, id := range b.ids {
		if i > 0 && b.Records[i-1].Kinesis.SequenceNumber >= b.Records[i].Kinesis.SequenceNumber {
			w.brokenf("%v is not in order", b.ids)
		}
		with[id] = true
		if w.resolved[id] && !w.again {
			w.brokenf("%s is delivered again", id)
		}
		for _, earlier := range w.order[key(id)] {
			if earlier == id {
				break
			}
			if !w.resolved[earlier] && !with[earlier] {
				w.brokenf("%s is delivered before %s is done", id, earlier)
			}
		}
	}
	for _, k := range keysOf(b) {
		if w.active[k]++; w.active[k] > 1 {
			w.brokenf("%s is in two batches at a time", k)
		}
	}
}

func (w *world) leave(b batch) {
	for _, k := range keysOf(b) {
		w.active[k]--
	}
}

func keysOf(b batch) []string {
	var all []string
	for _, id := range b.ids {
		all = append(all, key(id))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// reply chooses an invocation's result and records what succeeded.
func (w *world) reply(b batch, at int) ([]byte, string, error) {
	succeed := func(n int) {
		for _, id := range b.ids[:n] {
			w.resolved[id] = true
		}
	}
	bad := slices.IndexFunc(b.ids, func(id string) bool { return w.poison && strings.HasSuffix(id, "!") })
	mood := w.rnd.Float64()
	switch {
	case mood >= w.trouble && bad < 0:
		succeed(len(b.ids))
		return nil, "", nil
	case mood < 0.2*w.trouble:
		return nil, "", errors.New("throttled")
	case mood < 0.4*w.trouble:
		return nil, "Unhandled", nil
	case !w.options.ReportBatchItemFailures:
		return nil, "Unhandled", nil
	case mood < 0.6*w.trouble:
		return []byte(`{"batchItemFailures":[{"itemIdentifier":"1"}]}`), "", nil
	}
	if bad >= 0 {
		at = min(at, bad)
	}
	succeed(at)
	return b.report(at), "", nil
}

// startLife starts a mapping whose bucket and function end with its life.
func (w *world) startLife() {
	life := w.life
	w.options.Function = w.lifeOf(life)
	w.active = map[string]int{}
	if w.options.OnFailure != nil {
		b := &bucket{}
		b.fail = func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if life != w.life {
				return errors.New("killed")
			}
			if w.rnd.Float64() < w.trouble/2 {
				w.faults.Inject(failPut)
				return errors.New("slow down")
			}
			return nil
		}
		b.onPut = func(r failureRecord) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, id := range readBatch([]byte(r.Payload)).ids {
				w.resolved[id] = true
			}
		}
		w.options.OnFailure = &Destination{Bucket: b, Prefix: "failed"}
	}
	w.start()
}

// kill ends a life at once: from then on only the files on disk count.
func (w *world) kill() {
	w.mu.Lock()
	w.life++
	w.again = true
	copied := fmt.Sprintf("%s-%d", w.options.CheckpointDir, w.life)
	w.mu.Unlock()
	if err := os.CopyFS(copied, os.DirFS(w.options.CheckpointDir)); err != nil && !errors.Is(err, os.ErrNotExist) {
		// A file was replaced during the copy: equivalent to a slightly later kill.
		os.RemoveAll(copied)
		w.stop()
		copied = w.options.CheckpointDir
	}
	w.stop()
	w.options.CheckpointDir = copied
	os.MkdirAll(copied, 0o700)
	w.startLife()
}

func drawWorld(t *rapid.T, tb testing.TB) *world {
	w := &world{fixture: newFixture(tb, rapid.IntRange(1, 3).Draw(t, "shards"))}
	w.t = tb
	w.order, w.resolved = map[string][]string{}, map[string]bool{}
	seed := rapid.Uint64().Draw(t, "seed")
	w.rnd = rand.New(rand.NewPCG(seed, 1))
	o := &w.options
	o.StopTimeout = 10 * time.Second
	o.BatchSize = rapid.IntRange(1, 8).Draw(t, "batch size")
	o.Parallelization = rapid.IntRange(1, 4).Draw(t, "parallelization")
	o.BatchWindow = time.Duration(rapid.IntRange(0, 2).Draw(t, "window ms")) * time.Millisecond
	o.ReportBatchItemFailures = rapid.Bool().Draw(t, "report")
	o.BisectOnError = rapid.Bool().Draw(t, "bisect")
	o.MaxRetries = rapid.SampledFrom([]int{0, NoRetries, 1, 3}).Draw(t, "retries")
	w.trouble = rapid.SampledFrom([]float64{0, 0.2, 0.5}).Draw(t, "trouble")
	if o.MaxRetries != 0 {
		o.OnFailure = &Destination{Bucket: w.bucket}
		w.poison = true
	}
	return w
}

func (w *world) putSome(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "records") {
		k := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "key")
		w.mu.Lock()
		id := fmt.Sprintf("%s/%d", k, len(w.order[k]))
		if rapid.IntRange(0, 7).Draw(t, "poison") == 0 {
			id += "!"
		}
		w.order[k] = append(w.order[k], id)
		w.mu.Unlock()
		w.put(id)
	}
}

// reshard splits a random shard or merges it with a neighbor.
func (w *world) reshard(t *rapid.T) {
	open := w.server.Shards(streamName, true)
	a := rapid.SampledFrom(open).Draw(t, "shard")
	if b := rapid.SampledFrom(open).Draw(t, "other shard"); a != b && w.server.Merge(streamName, a, b) == nil {
		return
	}
	if len(open) < 6 {
		require.NoError(t, w.server.Split(streamName, a))
	}
}

// TestMapping_loses_nothing_and_keeps_the_order puts records between reshards,
// restarts, kills and Kinesis errors, with a function that fails in every possible
// way.
func TestMapping_loses_nothing_and_keeps_the_order(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t)
	if !testing.Short() { // in a fifth of the runs
		faults.Promise("kill", "restart", "iterator expired", throttle, failInvocation, failPart, failPut)
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt, t)
		w.faults = faults
		w.server.CountFaults(faults)
		w.startLife()
		defer func() { w.stop() }()
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "put", "reshard", "expire", "fault", "restart", "kill"}).Draw(rt, "step") {
			case "put":
				w.putSome(rt)
			case "reshard":
				w.reshard(rt)
			case "expire":
				seen := w.server.Calls("GetRecords") // or the steps end before it has an iterator
				w.eventually(func() bool { return w.server.Calls("GetRecords") > seen }, "a read")
				w.server.ExpireIterators()
			case "fault":
				operation := rapid.SampledFrom([]string{"GetRecords", "GetShardIterator", "ListShards", "DescribeStreamSummary"}).Draw(rt, "operation")
				w.server.Fail(operation, throttleOr(rt))
			case "restart":
				faults.Inject("restart")
				w.stop()
				w.again = true // after the checkpoint, with parallel batches
				w.startLife()
			case "kill":
				faults.Inject("kill")
				w.kill()
			}
		}
		w.eventually(w.allResolved, "every record done or in the destination")
		w.stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		require.Empty(rt, w.broken)
	})
}

func throttleOr(t *rapid.T) string {
	return rapid.SampledFrom([]string{"ProvisionedThroughputExceededException", "InternalFailure", "ExpiredIteratorException"}).Draw(t, "code")
}

func (w *world) allResolved() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, ids := range w.order {
		for _, id := range ids {
			if !w.resolved[id] {
				return false
			}
		}
	}
	return true
}

var _ Kinesis = (*kinesistest.Server)(nil)
