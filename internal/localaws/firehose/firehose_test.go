package firehose_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/localaws/firehose"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket keeps objects in memory and fails on demand.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	fail    func() error
	changed chan struct{} // receives after every put
}

func newBucket() *bucket {
	return &bucket{objects: map[string][]byte{}, changed: make(chan struct{}, 1000)}
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
	b.objects[key] = data
	b.changed <- struct{}{}
	return nil
}

// lines is what the objects hold, in the order of their keys.
func (b *bucket) lines(t testing.TB) (lines []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []string
	for key := range b.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		r, err := gzip.NewReader(bytes.NewReader(b.objects[key]))
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
	}
	return lines
}

func options(t testing.TB, b *bucket) firehose.Options {
	return firehose.Options{
		StateDir: t.TempDir(), Bucket: b, RetryFirst: time.Millisecond, RetryMost: 5 * time.Millisecond,
		Streams: []firehose.Stream{{Name: "s", Prefix: "out/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/", BufferBytes: 5 << 20, BufferEvery: 20 * time.Millisecond}},
	}
}

// client serves s until the test ends.
func client(t testing.TB, s *firehose.Server) *awsclient.Firehose {
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	c, err := awsclient.Load(t.Context(), awsclient.Options{Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s", FirehoseEndpoint: h.URL})
	require.NoError(t, err)
	return awsclient.NewFirehose(c)
}

func serve(t testing.TB, o firehose.Options) *awsclient.Firehose {
	s, err := firehose.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return client(t, s)
}

func records(from, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "record %d\n", from+i)
	}
	return out
}

func texts(records [][]byte) (out []string) {
	for _, r := range records {
		out = append(out, strings.TrimSuffix(string(r), "\n"))
	}
	return out
}

func TestRecordsBecomeLinesOfOneObject(t *testing.T) {
	b := newBucket()
	f := serve(t, options(t, b))
	failed, err := f.Put(t.Context(), "s", records(0, 1200))
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Eventually(t, func() bool { return len(b.lines(t)) == 1200 }, 10*time.Second, 5*time.Millisecond)
	for key := range b.objects {
		require.Regexp(t, regexp.MustCompile(`^out/dt=\d{4}-\d\d-\d\d/hour=\d\d/s-1-\d{4}(-\d\d){5}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.gz$`), key)
	}
	require.LessOrEqual(t, len(b.objects), 3, "calls share objects")
	require.Equal(t, texts(records(0, 1200)), b.lines(t))
}

func TestABufferIsDeliveredWhenItIsFull(t *testing.T) {
	b := newBucket()
	o := options(t, b)
	o.Streams[0].BufferEvery, o.Streams[0].BufferBytes = time.Hour, 100
	f := serve(t, o)
	_, err := f.Put(t.Context(), "s", records(0, 20))
	require.NoError(t, err)
	<-b.changed
	require.Equal(t, texts(records(0, 20)), b.lines(t))
}

func TestClosingDeliversWhatIsBuffered(t *testing.T) {
	b := newBucket()
	o := options(t, b)
	o.Streams[0].BufferEvery = time.Hour
	s, err := firehose.New(o)
	require.NoError(t, err)
	_, err = firehose.New(o)
	require.ErrorContains(t, err, "state folder")
	_, err = client(t, s).Put(t.Context(), "s", records(0, 3))
	require.NoError(t, err)
	require.Empty(t, b.objects)
	require.NoError(t, s.Close())
	require.Equal(t, texts(records(0, 3)), b.lines(t))
}

func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	b := newBucket()
	o := options(t, b)
	seen := map[string]int{}
	o.Fault = func(_ string, batch [][]byte) (string, map[int]string) {
		failed := map[int]string{}
		for i, r := range batch {
			if seen[string(r)]++; seen[string(r)] == 1 && i%7 == 3 {
				failed[i] = "ServiceUnavailableException"
			}
		}
		return "", failed
	}
	f := serve(t, o)
	sent := records(0, 700)
	failed, err := f.Put(t.Context(), "s", sent)
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Eventually(t, func() bool { return len(b.lines(t)) == 700 }, 10*time.Second, 5*time.Millisecond)
	require.ElementsMatch(t, texts(sent), b.lines(t))
	twice := 0
	for _, n := range seen {
		require.LessOrEqual(t, n, 2)
		twice += n - 1
	}
	require.Greater(t, twice, 90)
	require.Less(t, twice, 120)
}

func TestWhatKeepsFailingIsNamed(t *testing.T) {
	o := options(t, newBucket())
	o.Fault = func(_ string, batch [][]byte) (string, map[int]string) {
		failed := map[int]string{}
		for i, r := range batch {
			if strings.HasSuffix(string(r), "7\n") {
				failed[i] = "InternalFailure"
			}
		}
		return "", failed
	}
	f := serve(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	failed, err := f.Put(ctx, "s", records(0, 30))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "InternalFailure")
	require.Equal(t, []int{7, 17, 27}, failed)
}

func TestACallThatFails(t *testing.T) {
	b := newBucket()
	o := options(t, b)
	calls := 0
	o.Fault = func(string, [][]byte) (string, map[int]string) {
		if calls++; calls <= 2 {
			return "ServiceUnavailableException", nil
		}
		return "", nil
	}
	f := serve(t, o)
	failed, err := f.Put(t.Context(), "s", records(0, 2))
	require.NoError(t, err, "throttling passes")
	require.Empty(t, failed)
	require.Equal(t, 3, calls)

	calls = -1000
	failed, err = f.Put(t.Context(), "s", records(0, 501))
	require.ErrorContains(t, err, "ServiceUnavailableException")
	require.Len(t, failed, 501)
	failed, err = f.Put(t.Context(), "other", records(0, 2))
	require.ErrorIs(t, err, recsys.ErrNotFound)
	require.Equal(t, []int{0, 1}, failed)
}

func TestLimitsOfSize(t *testing.T) {
	b := newBucket()
	o := options(t, b)
	var calls [][2]int
	o.Fault = func(_ string, batch [][]byte) (string, map[int]string) {
		n := 0
		for _, r := range batch {
			n += len(r)
		}
		calls = append(calls, [2]int{len(batch), n})
		return "", nil
	}
	f := serve(t, o)
	large := make([][]byte, 10)
	for i := range large {
		large[i] = bytes.Repeat([]byte{byte('a' + i)}, firehose.MaxRecord)
		large[i][len(large[i])-1] = '\n'
	}
	_, err := f.Put(t.Context(), "s", large)
	require.NoError(t, err)
	require.Equal(t, [][2]int{{4, 4 * firehose.MaxRecord}, {4, 4 * firehose.MaxRecord}, {2, 2 * firehose.MaxRecord}}, calls)
	require.Eventually(t, func() bool { return len(b.lines(t)) == 10 }, 10*time.Second, 5*time.Millisecond)

	calls = nil
	failed, err := f.Put(t.Context(), "s", [][]byte{[]byte("x"), make([]byte, 1<<20)})
	require.ErrorIs(t, err, awsclient.ErrTooLarge)
	require.ErrorContains(t, err, "record 1")
	require.Len(t, failed, 2)
	require.Empty(t, calls)
}

func TestAFullBacklogIsRefused(t *testing.T) {
	b := newBucket()
	b.fail = func() error { return errors.New("away") }
	o := options(t, b)
	o.MaxBacklog = 1000
	f := serve(t, o)
	refused := func() bool {
		failed, err := f.Put(t.Context(), "s", records(0, 100))
		return len(failed) == 100 && err != nil && strings.Contains(err.Error(), "ServiceUnavailableException")
	}
	require.Eventually(t, refused, 10*time.Second, time.Millisecond)
	b.mu.Lock()
	b.fail = nil
	b.mu.Unlock()
	require.Eventually(t, func() bool { return !refused() }, 10*time.Second, 5*time.Millisecond)
}

// TestNothingAcknowledgedIsLost puts, lets deliveries fail and kills the server
// in any order: what it leaves behind at a kill is copied while it runs, which is
// what a crash leaves at best, with rubbish behind it, which is the worst.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBucket()
		b.changed = make(chan struct{}, 100_000)
		failing := false
		b.fail = func() error {
			if failing {
				return errors.New("away")
			}
			return nil
		}
		o := options(t, b)
		o.Streams[0].BufferBytes = int64(rapid.IntRange(1, 300).Draw(rt, "buffer"))
		o.Streams[0].BufferEvery = time.Millisecond
		var sent []string
		for range rapid.IntRange(1, 4).Draw(rt, "lives") {
			s, err := firehose.New(o)
			require.NoError(t, err)
			f := client(t, s)
			for range rapid.IntRange(0, 5).Draw(rt, "puts") {
				b.mu.Lock()
				failing = rapid.Bool().Draw(rt, "failing")
				b.mu.Unlock()
				batch := records(len(sent), rapid.IntRange(1, 20).Draw(rt, "n"))
				_, err := f.Put(t.Context(), "s", batch)
				require.NoError(t, err)
				sent = append(sent, texts(batch)...)
			}
			b.mu.Lock() // so that nothing is delivered meanwhile
			crashed := t.TempDir()
			for os.CopyFS(crashed, os.DirFS(o.StateDir)) != nil {
				crashed = t.TempDir() // a file that had been delivered went away
			}
			failing = false
			before := make(map[string][]byte)
			for k, v := range b.objects {
				before[k] = v
			}
			b.mu.Unlock()
			require.NoError(t, s.Close())
			b.mu.Lock()
			b.objects = before // what the killed server would not have done
			b.mu.Unlock()
			tear(t, crashed)
			o.StateDir = crashed
		}
		s, err := firehose.New(o)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		got := b.lines(t)
		slices.Sort(got)
		slices.Sort(sent)
		if !slices.Equal(slices.Compact(got), sent) {
			rt.Fatalf("%d records delivered, %d acknowledged", len(got), len(sent))
		}
	})
}

// tear adds half a record to the newest file.
func tear(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "s", "*.records"))
	require.NoError(t, err)
	if len(files) == 0 {
		return
	}
	f, err := os.OpenFile(slices.Max(files), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.Write([]byte{0, 0, 0, 9, 1, 2, 3, 4, 'x'})
	require.NoError(t, errors.Join(err, f.Close()))
}

func BenchmarkPutRecordBatch(b *testing.B) {
	store := newBucket()
	store.changed = make(chan struct{}, 1_000_000)
	f := serve(b, options(b, store))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Put(context.Background(), "s", records(0, 10)); err != nil {
				b.Error(err)
			}
		}
	})
}
