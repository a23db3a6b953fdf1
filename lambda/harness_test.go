package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/awsclient/kinesistest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	localfirehose "github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
	"github.com/recflow/recflow/internal/local/aws/lambda"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
)

const (
	harnessStream = "events"
	putThrottled  = "ProvisionedThroughputExceededException" // error code of records that the stream rejects
)

// harness runs the whole path: a stream, the mapping, the real bootstrap in its
// environments, Postgres, Firehose and S3. It uses the parts of the local stack,
// except that its stream can fail and be resharded.
type harness struct {
	t        *testing.T
	log      *slog.Logger
	server   *pgserver.Server
	store    *postgrestest.Store
	versions []int64
	kinesis  *kinesistest.Server
	producer *awsclient.Kinesis
	bucket   *awsclient.S3
	rates    *failureRates
	faults   *harnesstest.Faults
	host     *lambda.Host
	firehose *localfirehose.Server
	dir      string                     // directory of checkpoints
	tune     func(*eventsource.Options) // changes the options of the next mapping; may be nil
	stop     func()                     // stops the mapping
	mapping  *eventsource.Mapping
}

// failureRates is the current share of failing calls between the parts.
type failureRates struct {
	mu                      sync.Mutex
	random                  *rand.Rand
	put, delivery, delivers float64
}

func (t *failureRates) fails(share *float64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.random.Float64() < *share
}

func (t *failureRates) set(share *float64, to float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*share = to
}

// faultyBucket is the bucket that Firehose delivers to.
type faultyBucket struct {
	bucket *awsclient.S3
	rates  *failureRates
	faults *harnesstest.Faults
}

func (b faultyBucket) Put(ctx context.Context, key string, body io.ReadSeeker) error {
	if b.rates.fails(&b.rates.delivers) {
		b.faults.Inject(firehosetest.BucketAway)
		return errors.New("injected: bucket unavailable")
	}
	return b.bucket.Put(ctx, key, body)
}

// newHarness starts all parts, with two versions of different dimensions, of which
// the first is live.
func newHarness(t *testing.T, seed uint64, log io.Writer) *harness {
	r := &harness{t: t, dir: t.TempDir(), log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	r.faults = harnesstest.CountFaults(t)
	r.rates = &failureRates{random: rand.New(rand.NewPCG(seed, 1))}
	r.server = pgservertest.Server(t)
	address := r.server.URL("postgres")
	require.NoError(t, postgres.Migrate(t.Context(), address))
	r.store = postgrestest.Open(t, address)
	for i, dimension := range []int{8, 24} {
		v := postgrestest.Build(t, r.store, postgrestest.Fixture{RunID: []string{"a", "b"}[i], Items: 400, Users: 100, Dimension: dimension})
		r.versions = append(r.versions, v.ID)
	}
	r.promote(0)
	r.kinesis = kinesistest.New(harnessStream, 2)
	r.kinesis.CountFaults(r.faults)
	r.producer = r.kinesis.Client(t, harnessStream)
	r.kinesis.OnPut(func(string, string) string {
		if r.rates.fails(&r.rates.put) {
			return putThrottled
		}
		return ""
	})
	r.bucket = awstest.S3(t)
	r.startFirehose()
	r.startHost(log)
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *harness) startFirehose() {
	s, err := localfirehose.New(localfirehose.Options{
		StateDir: r.t.TempDir(), Bucket: faultyBucket{r.bucket, r.rates, r.faults}, Log: r.log,
		RetryFirst: 10 * time.Millisecond, RetryMost: 200 * time.Millisecond,
		Streams: []localfirehose.Stream{
			{Name: "lists", Prefix: "recommendations/", BufferBytes: 1 << 20, BufferEvery: time.Second},
			{Name: "events", Prefix: "raw/events/", BufferBytes: 1 << 20, BufferEvery: time.Second},
			{Name: "quarantine", Prefix: "quarantine/", BufferBytes: 1 << 20, BufferEvery: time.Second},
		},
		Fault: firehosetest.Counted(r.faults, func(_ string, records [][]byte) (call string, failed map[int]string) {
			if r.rates.fails(&r.rates.delivery) {
				return "ServiceUnavailableException", nil
			}
			failed = map[int]string{}
			for i := range records {
				if r.rates.fails(&r.rates.delivery) {
					failed[i] = "ServiceUnavailableException"
				}
			}
			return "", failed
		}),
	})
	require.NoError(r.t, err)
	r.firehose = s
	r.t.Cleanup(func() { s.Close() })
}

// startHost builds the function as it is shipped and starts its environments.
func (r *harness) startHost(log io.Writer) {
	bootstrap := filepath.Join(r.t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", bootstrap, ".")
	out, err := build.CombinedOutput()
	require.NoError(r.t, err, string(out))
	endpoint := httptest.NewServer(r.firehose.Handler())
	r.t.Cleanup(endpoint.Close)
	vars := maps.Clone(awstest.Env(r.t))
	maps.Copy(vars, map[string]string{
		"AWS_ENDPOINT_URL_FIREHOSE": endpoint.URL,
		"RECFLOW_DATABASE_URL":      r.server.URL("postgres"), "RECFLOW_DATABASE_MAX_CONNS": "2",
		"RECFLOW_BUCKET":                   r.bucket.Bucket(),
		"RECFLOW_FIREHOSE_RECOMMENDATIONS": "lists", "RECFLOW_FIREHOSE_EVENTS": "events", "RECFLOW_FIREHOSE_QUARANTINE": "quarantine",
		"RECFLOW_EVALUATE_SHARE": "0.5",
	})
	r.host, err = lambda.New(lambda.Options{
		Name: "stream", Command: []string{bootstrap}, Env: vars, Timeout: 5 * time.Second, MaxEnvironments: 4, Log: log,
	})
	require.NoError(r.t, err)
	r.t.Cleanup(r.host.Close)
}

// start starts the mapping from its checkpoint.
func (r *harness) start() {
	o := eventsource.Options{
		Kinesis: r.kinesis, Stream: harnessStream, Function: r.host.Invoke, FunctionARN: r.host.ARN(),
		BatchSize: 200, BatchWindow: 20 * time.Millisecond, Parallelization: 2, PollEvery: 20 * time.Millisecond,
		ShardsEvery: 200 * time.Millisecond, RetryFirst: 20 * time.Millisecond, RetryMost: 500 * time.Millisecond,
		ReportBatchItemFailures: true, BisectOnError: true,
		OnFailure:     &eventsource.Destination{Bucket: r.bucket, Prefix: "failed-batches"},
		CheckpointDir: r.dir, StopTimeout: time.Second, Log: r.log,
	}
	if r.tune != nil {
		r.tune(&o)
	}
	m, err := eventsource.New(o)
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	var once sync.Once
	r.mapping, r.stop = m, func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				r.t.Error("the mapping:", err)
			}
		})
	}
}

func (r *harness) promote(n int) {
	_, err := r.store.Promote(r.t.Context(), versions.Promotion{Version: r.versions[n], Actor: "test"})
	require.NoError(r.t, err)
}
