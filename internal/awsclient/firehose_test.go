package awsclient_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
	"github.com/recflow/recflow/internal/recsys"
)

const unavailable = "ServiceUnavailableException"

// delivery is a delivery stream "s" and the requests its server received.
type delivery struct {
	client *awsclient.Firehose
	bucket *firehosetest.Bucket
	server *firehose.Server

	mu    sync.Mutex
	fault firehose.Fault // nil: no faults
	calls [][][]byte
}

// fail makes the server fail with fault. The test fails if that never happens.
func (d *delivery) fail(t *testing.T, kind string, fault firehose.Fault) {
	d.fault = firehosetest.Counted(harnesstest.CountFaults(t, kind), fault)
}

// newDelivery serves a delivery stream, through wrap if it is not nil.
func newDelivery(t *testing.T, wrap func(http.Handler) http.Handler) *delivery {
	t.Helper()
	d := &delivery{bucket: firehosetest.NewBucket()}
	o := firehosetest.Options(t, d.bucket)
	o.Streams[0].BufferEvery = time.Millisecond
	o.Fault = func(stream string, records [][]byte) (string, map[int]string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.calls = append(d.calls, records)
		if d.fault == nil {
			return "", nil
		}
		return d.fault(stream, records)
	}
	var err error
	d.server, err = firehose.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.server.Close()) })
	handler := d.server.Handler()
	if wrap != nil {
		handler = wrap(handler)
	}
	h := httptest.NewServer(handler)
	t.Cleanup(h.Close)
	c, err := awsclient.Load(t.Context(), awsclient.Options{Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s", FirehoseEndpoint: h.URL})
	require.NoError(t, err)
	d.client = awsclient.NewFirehose(c)
	return d
}

// seen counts how often the server received each record.
func (d *delivery) seen() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]int{}
	for _, call := range d.calls {
		for _, r := range call {
			seen[strings.TrimSuffix(string(r), "\n")]++
		}
	}
	return seen
}

// delivered waits for n lines and returns all of them, sorted.
func (d *delivery) delivered(t *testing.T, n int) []string {
	t.Helper()
	require.Eventually(t, func() bool { return len(d.bucket.Lines("out/")) >= n }, 20*time.Second, 2*time.Millisecond)
	return d.bucket.Lines("out/")
}

func numbered(n int) (records [][]byte, texts []string) {
	for i := range n {
		texts = append(texts, fmt.Sprintf("record %05d", i))
		records = append(records, []byte(texts[i]+"\n"))
	}
	return records, texts
}

func TestFirehose_retries_only_failed_records(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	first := map[string]bool{}
	d.fail(t, firehosetest.RecordRefused, func(_ string, call [][]byte) (string, map[int]string) {
		failed := map[int]string{}
		for i, r := range call {
			if fresh := !first[string(r)]; fresh && bytes.HasSuffix(r, []byte("7\n")) {
				failed[i] = unavailable
			}
			first[string(r)] = true
		}
		return "", failed
	})
	records, texts := numbered(1200)
	failed, err := d.client.Put(t.Context(), "s", records)
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Equal(t, texts, d.delivered(t, 1200))
	for text, n := range d.seen() {
		want := 1
		if strings.HasSuffix(text, "7") {
			want = 2
		}
		require.Equal(t, want, n, text)
	}
	for _, call := range d.calls {
		require.LessOrEqual(t, len(call), 500)
	}
}

func TestFirehose_reports_failing_records_before_the_deadline(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	d.fail(t, firehosetest.RecordRefused, func(_ string, call [][]byte) (string, map[int]string) {
		failed := map[int]string{}
		for i, r := range call {
			if bytes.HasSuffix(r, []byte("7\n")) {
				failed[i] = "InternalFailure"
			}
		}
		return "", failed
	})
	records, _ := numbered(30)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	failed, err := d.client.Put(ctx, "s", records)
	require.NoError(t, ctx.Err(), "it returns before its deadline")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "InternalFailure")
	require.True(t, awsclient.Retryable(err))
	require.Equal(t, []int{7, 17, 27}, failed)
	require.Len(t, d.delivered(t, 27), 27)
	seen := d.seen()
	require.Equal(t, 1, seen["record 00006"])
	require.Greater(t, seen["record 00007"], 2)
	require.Equal(t, seen["record 00007"], seen["record 00027"])
}

func TestFirehose_leaves_the_retry_of_a_failed_call_to_the_SDK(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	d.fail(t, firehosetest.CallRefused, func(string, [][]byte) (string, map[int]string) {
		if len(d.calls) <= 2 {
			return unavailable, nil
		}
		return "", nil
	})
	records, texts := numbered(2)
	failed, err := d.client.Put(t.Context(), "s", records)
	require.NoError(t, err, "throttling ends")
	require.Empty(t, failed)
	require.Len(t, d.calls, 3)
	require.Equal(t, texts, d.delivered(t, 2))

	d.fail(t, firehosetest.CallRefused, func(string, [][]byte) (string, map[int]string) { return unavailable, nil })
	records, _ = numbered(501)
	failed, err = d.client.Put(t.Context(), "s", records)
	require.ErrorContains(t, err, unavailable)
	require.True(t, awsclient.Retryable(err))
	require.Len(t, failed, 501)
	require.Len(t, d.calls, 3+4, "no call follows it")
}

func TestFirehose_reports_a_missing_stream(t *testing.T) {
	t.Parallel()
	records, _ := numbered(2)
	failed, err := newDelivery(t, nil).client.Put(t.Context(), "other", records)
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.Equal(t, []int{0, 1}, failed)
}

func TestFirehose_treats_a_lost_response_as_a_failure(t *testing.T) {
	t.Parallel()
	var lost sync.Once
	faults := harnesstest.CountFaults(t, "answer lost")
	d := newDelivery(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			h.ServeHTTP(&forgetful{w, &lost, faults}, req)
		})
	})
	records, texts := numbered(3)
	failed, err := d.client.Put(t.Context(), "s", records)
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Equal(t, texts, slices.Compact(d.delivered(t, 6)), "twice, because the first response was lost")
}

// forgetful drops the first response after the call was carried out.
type forgetful struct {
	http.ResponseWriter
	once   *sync.Once
	faults *harnesstest.Faults
}

func (f *forgetful) WriteHeader(status int) {
	f.once.Do(func() {
		f.faults.Inject("answer lost")
		panic(http.ErrAbortHandler)
	})
	f.ResponseWriter.WriteHeader(status)
}

func TestFirehose_keeps_within_500_records_and_4_MiB_a_call(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	records, _ := numbered(1001)
	_, err := d.client.Put(t.Context(), "s", records)
	require.NoError(t, err)
	require.Len(t, d.calls, 3)

	d.calls = nil
	var large [][]byte
	for i := range 9 {
		r := bytes.Repeat([]byte{byte('a' + i)}, awsclient.MaxDeliveryRecord)
		r[len(r)-1] = '\n'
		large = append(large, r)
	}
	// Four of them leave 96 KiB of a call: exactly enough for this one.
	large = slices.Insert(large, 4, append(bytes.Repeat([]byte("z"), 4<<20-4*awsclient.MaxDeliveryRecord-1), '\n'))
	_, err = d.client.Put(t.Context(), "s", large)
	require.NoError(t, err)
	var sizes []int
	for _, call := range d.calls {
		sizes = append(sizes, len(bytes.Join(call, nil)))
	}
	require.Equal(t, []int{4 << 20, 4 * awsclient.MaxDeliveryRecord, awsclient.MaxDeliveryRecord}, sizes)
	require.Len(t, d.delivered(t, 1011), 1011)
}

func TestFirehose_refuses_a_record_of_1_MiB_before_anything_is_sent(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	failed, err := d.client.Put(t.Context(), "s", [][]byte{[]byte("x"), make([]byte, 1<<20)})
	require.ErrorIs(t, err, awsclient.ErrTooLarge)
	require.ErrorContains(t, err, "record 1")
	require.False(t, awsclient.Retryable(err))
	require.Equal(t, []int{0, 1}, failed)
	require.Empty(t, d.calls)
	failed, err = d.client.Put(t.Context(), "s", nil)
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Empty(t, d.calls)
}

func TestFirehose_loses_no_records_under_faults(t *testing.T) {
	t.Parallel()
	d := newDelivery(t, nil)
	next := 0
	counts := harnesstest.CountFaults(t, firehosetest.RecordRefused)
	rapid.Check(t, func(rt *rapid.T) {
		faults := rapid.SliceOfN(rapid.SliceOfN(rapid.Bool(), 1, 5), 0, 3).Draw(rt, "faults")
		d.fault = firehosetest.Counted(counts, func(_ string, call [][]byte) (string, map[int]string) {
			failed := map[int]string{}
			if len(faults) > 0 {
				for i := range call {
					if faults[0][i%len(faults[0])] {
						failed[i] = unavailable
					}
				}
				faults = faults[1:]
			}
			return "", failed
		})
		n := rapid.IntRange(1, 40).Draw(rt, "n")
		var records [][]byte
		for range n {
			records = append(records, fmt.Appendf(nil, "%07d\n", next))
			next++
		}
		failed, err := d.client.Put(t.Context(), "s", records)
		require.NoError(rt, err)
		require.Empty(rt, failed)
	})
	d.fault = nil
	got := d.delivered(t, next)
	require.Len(t, got, next)
	require.Len(t, slices.Compact(got), next)
}
