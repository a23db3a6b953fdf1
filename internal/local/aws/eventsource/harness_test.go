package eventsource

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
)

const streamName = "events"

// batch is an invocation as the function receives it.
type batch struct {
	events.KinesisEvent
	ids []string // the data of the records
}

func readBatch(payload []byte) batch {
	var b batch
	if err := json.Unmarshal(payload, &b.KinesisEvent); err != nil {
		panic(err)
	}
	for _, r := range b.Records {
		b.ids = append(b.ids, string(r.Kinesis.Data))
	}
	return b
}

// report is the response that names records by their index.
func (b batch) report(indexes ...int) []byte {
	var r events.KinesisEventResponse
	for _, i := range indexes {
		r.BatchItemFailures = append(r.BatchItemFailures,
			events.KinesisBatchItemFailure{ItemIdentifier: b.Records[i].Kinesis.SequenceNumber})
	}
	out, _ := json.Marshal(r)
	return out
}

// bucket stores objects, unless fail returns an error.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	fail    func() error
	onPut   func(failureRecord)
}

func (b *bucket) Put(_ context.Context, key string, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(); err != nil {
			return err
		}
	}
	if b.objects == nil {
		b.objects = map[string][]byte{}
	}
	b.objects[key] = data
	if b.onPut != nil {
		var r failureRecord
		if err := json.Unmarshal(data, &r); err != nil {
			panic(err)
		}
		b.onPut(r)
	}
	return nil
}

// records returns the failure records and their IDs.
func (b *bucket) records(t require.TestingT) (all []failureRecord, ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, data := range b.objects {
		var r failureRecord
		require.NoError(t, json.Unmarshal(data, &r))
		all = append(all, r)
		ids = append(ids, readBatch([]byte(r.Payload)).ids...)
	}
	return all, ids
}

// fixture is a stream, a function and a mapping between them.
type fixture struct {
	t       testing.TB
	server  *kinesistest.Server
	bucket  *bucket
	options Options
	Mapping *Mapping

	mu      sync.Mutex
	calls   []batch
	faults  *harnesstest.Faults // nil in a test that injects none
	replies func(n int, b batch) (result []byte, functionError string, err error)

	cancel func() // begins to stop
	stop   func() // and waits until it has stopped
}

// newFixture has a stream of one shard and a function that succeeds. Change the
// options before start.
func newFixture(t testing.TB, shards int) *fixture {
	f := &fixture{t: t, server: kinesistest.New(streamName, shards), bucket: &bucket{}, stop: func() {}}
	f.options = Options{
		Kinesis: f.server, Stream: streamName, Function: f.function, CheckpointDir: filepath.Join(t.TempDir(), "checkpoints"),
		FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:f", RoleARN: "arn:aws:iam::000000000000:role/r",
		PollEvery: time.Millisecond, ShardsEvery: 5 * time.Millisecond,
		RetryFirst: 100 * time.Microsecond, RetryMost: 2 * time.Millisecond,
	}
	if testing.Verbose() && os.Getenv("MAPPING_LOG") != "" {
		f.options.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *fixture) function(_ context.Context, payload []byte) ([]byte, string, error) {
	b := readBatch(payload)
	f.mu.Lock()
	f.calls = append(f.calls, b)
	n, replies := len(f.calls), f.replies
	f.mu.Unlock()
	if replies == nil {
		return nil, "", nil
	}
	return f.counted(replies(n, b))
}

// counted counts a faulty response of the function and returns it.
func (f *fixture) counted(result []byte, functionError string, err error) ([]byte, string, error) {
	switch {
	case f.faults == nil:
	case err != nil:
		f.faults.Inject(throttle)
	case functionError != "":
		f.faults.Inject(failInvocation)
	case len(result) > 0:
		f.faults.Inject(failPart)
	}
	return result, functionError, err
}

// Faults of the function and of the destination.
const (
	throttle       = "function throttled"
	failInvocation = "invocation failed"
	failPart       = "part of the batch failed"
	failPut        = "destination failed"
)

// injects counts the faults of a test, which must inject some of each kind.
func (f *fixture) injects(kinds ...string) {
	f.faults = harnesstest.CountFaults(f.t, kinds...)
	f.server.CountFaults(f.faults)
}

// fail makes the next calls of a Kinesis operation fail, in a test that injects
// faults.
func (f *fixture) fail(operation string, codes ...string) {
	for _, code := range codes {
		f.faults.Promise(kinesistest.Fault(operation, code))
	}
	f.server.Fail(operation, codes...)
}

// destination sets an on-failure destination.
func (f *fixture) destination() {
	f.options.OnFailure = &Destination{Bucket: f.bucket, Prefix: "failed"}
}

// start runs a new mapping until stop is called.
func (f *fixture) start() {
	m, err := New(f.options)
	require.NoError(f.t, err)
	f.Mapping = m
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	f.stop = func() {
		f.stop = func() {}
		cancel()
		select {
		case err := <-done:
			require.NoError(f.t, err)
		case <-time.After(20 * time.Second):
			require.Fail(f.t, "the mapping does not stop")
		}
	}
}

// put puts one record for each ID, of the form key or key/anything.
func (f *fixture) put(ids ...string) {
	for _, id := range ids {
		key, _, _ := bytes.Cut([]byte(id), []byte("/"))
		out, err := f.server.PutRecords(context.Background(), &kinesis.PutRecordsInput{StreamName: aws.String(streamName),
			Records: []types.PutRecordsRequestEntry{{PartitionKey: aws.String(string(key)), Data: []byte(id)}}})
		require.NoError(f.t, err)
		require.Nil(f.t, out.Records[0].ErrorCode)
	}
}

// seen returns the IDs of every invocation so far.
func (f *fixture) seen() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all [][]string
	for _, b := range f.calls {
		all = append(all, b.ids)
	}
	return all
}

// invocations waits for n finished invocations and returns their IDs.
func (f *fixture) invocations(n int) [][]string {
	f.t.Helper()
	f.eventually(func() bool { return len(f.seen()) >= n }, "%d invocations", n)
	return f.seen()
}

// done waits until that many records are done or discarded.
func (f *fixture) done(n int64) {
	f.t.Helper()
	f.eventually(func() bool {
		c := f.Mapping.Status().Counts
		return c.Succeeded+c.Discarded >= n
	}, "%d records done", n)
}

func (f *fixture) eventually(condition func() bool, format string, args ...any) {
	f.t.Helper()
	defer func() {
		if f.t.Failed() {
			s, _ := json.Marshal(f.Mapping.Status())
			f.t.Logf("seen %v\nstatus %s", f.seen(), s)
		}
	}()
	harnesstest.Eventually(f.t, fmt.Sprintf(format, args...), condition)
}

// ids returns key/from … key/to-1.
func ids(key string, from, to int) []string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf("%s/%03d", key, i))
	}
	return all
}
