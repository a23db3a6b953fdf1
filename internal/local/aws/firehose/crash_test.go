package firehose_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/firehose"
	"github.com/recflow/recflow/internal/local/aws/firehose/firehosetest"
)

// world is a delivery stream across several server lives, and the responses its
// client received.
type world struct {
	t        *testing.T
	bucket   *firehosetest.Bucket
	options  firehose.Options
	server   *firehose.Server
	endpoint *httptest.Server

	faults *harnesstest.Faults
	call   string // the fault of the next put
	failed map[int]string

	sent  int
	taken [][]string // acknowledged records, by put
}

func (w *world) start() {
	var err error
	w.server, err = firehose.New(w.options)
	require.NoError(w.t, err)
	w.endpoint = httptest.NewServer(w.server.Handler())
}

func (w *world) put(n int) {
	records := lines(w.sent, n)
	w.sent += n
	out, err := client(w.t, w.endpoint.URL).PutRecordBatch(w.t.Context(), batch(records...))
	if w.call != "" {
		require.Error(w.t, err)
		return
	}
	require.NoError(w.t, err)
	require.EqualValues(w.t, len(w.failed), *out.FailedPutCount)
	var taken []string
	for i, r := range out.RequestResponses {
		if r.ErrorCode == nil {
			taken = append(taken, string(records[i]))
		}
	}
	if len(taken) > 0 {
		w.taken = append(w.taken, taken)
	}
}

// end stops the server, by kill or not.
func (w *world) end(kill bool) {
	w.endpoint.Close()
	if kill {
		w.faults.Inject("crash")
		require.NoError(w.t, w.server.Kill())
		return
	}
	w.bucket.Set(firehosetest.Here) // otherwise Close would wait for it
	require.NoError(w.t, w.server.Close())
}

// tear appends part of a record to the newest file, as a crash during a put does.
func (w *world) tear(tail []byte) {
	files, err := filepath.Glob(filepath.Join(w.options.StateDir, "s", "*.records"))
	require.NoError(w.t, err)
	if len(files) == 0 {
		return
	}
	f, err := os.OpenFile(slices.Max(files), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(w.t, err)
	_, err = f.Write(tail)
	require.NoError(w.t, errors.Join(err, f.Close()))
	if len(tail) > 0 {
		w.faults.Inject("torn write")
	}
}

// check compares the bucket with the acknowledged records.
func (w *world) check(rt *rapid.T) {
	objects := slices.Collect(maps.Values(w.bucket.Objects("out/")))
	delivered := 0
	for _, text := range objects {
		// One buffer, the puts that arrived while it filled, and one more call.
		if most := 2*w.options.Streams[0].BufferBytes + 30*14; int64(len(text)) > most {
			rt.Fatalf("an object of %d bytes; at most %d were expected", len(text), most)
		}
		delivered += strings.Count(text, "\n")
	}
	expected := 0
	for _, records := range w.taken {
		expected += len(records)
		whole := strings.Join(records, "")
		if !slices.ContainsFunc(objects, func(text string) bool { return strings.Contains(text, whole) }) {
			rt.Fatalf("the records of a put are not in one object, in their order: %q", whole)
		}
	}
	if delivered != expected {
		rt.Fatalf("%d records delivered, %d acknowledged", delivered, expected)
	}
}

func TestServer_delivers_every_acknowledged_record_under_faults(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, "crash", "torn write", firehosetest.BucketAway, firehosetest.BucketAnswerLost,
		firehosetest.CallRefused, firehosetest.RecordRefused)
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: t, bucket: firehosetest.NewBucket(), faults: faults}
		w.bucket.CountFaults(faults)
		w.options = firehosetest.Options(t, w.bucket)
		w.options.Streams[0].BufferBytes = int64(rapid.IntRange(1, 600).Draw(rt, "buffer"))
		w.options.Streams[0].BufferEvery = rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Hour}).Draw(rt, "every")
		w.options.Fault = firehosetest.Counted(faults, func(string, [][]byte) (string, map[int]string) { return w.call, w.failed })
		w.start()
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				n := rapid.IntRange(1, 30).Draw(rt, "n")
				w.call, w.failed = rapid.SampledFrom([]string{"", "", "", "ServiceUnavailableException"}).Draw(rt, "fault"), map[int]string{}
				for _, i := range rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 3).Draw(rt, "failed") {
					w.failed[i] = "InternalFailure"
				}
				w.put(n)
			},
			"the bucket changes": func(rt *rapid.T) {
				w.bucket.Set(rapid.SampledFrom([]firehosetest.State{firehosetest.Here, firehosetest.Away, firehosetest.AnswerLost}).Draw(rt, "state"))
			},
			"crash": func(rt *rapid.T) {
				w.end(true)
				w.tear(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(rt, "tail"))
				w.start()
			},
			"restart": func(*rapid.T) {
				w.end(false)
				w.start()
			},
		})
		w.end(false)
		w.check(rt)
	})
}

func TestServer_moves_unreadable_records_to_the_error_prefix(t *testing.T) {
	t.Parallel()
	w := &world{t: t, bucket: firehosetest.NewBucket(), faults: harnesstest.CountFaults(t, "crash", "torn write")}
	w.options = firehosetest.Options(t, w.bucket)
	w.bucket.Set(firehosetest.Away)
	w.start()
	w.put(3)
	w.end(true)
	w.tear([]byte("\x00\x00\x00\x09torn"))
	w.bucket.Set(firehosetest.Here)
	w.start()
	w.end(false)
	require.Equal(t, texts(lines(0, 3)), w.bucket.Lines("out/"))
	var kept struct {
		ErrorCode string `json:"errorCode"`
		RawData   []byte `json:"rawData"`
	}
	require.Len(t, w.bucket.Lines("errors/s/processing-failed/dt="), 1)
	require.NoError(t, json.Unmarshal([]byte(w.bucket.Lines("errors/")[0]), &kept))
	require.Equal(t, "Local.Unreadable", kept.ErrorCode)
	require.Equal(t, "\x00\x00\x00\x09torn", string(kept.RawData))
}

// childDir makes the test binary run a server with its state and objects in that
// directory until it is killed.
const childDir = "FIREHOSE_TEST_DIR"

// files is a bucket in a directory.
type files string

func (f files) Put(_ context.Context, key string, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	path := filepath.Join(string(f), strings.ReplaceAll(key, "/", "+"))
	return errors.Join(os.WriteFile(path+".part", data, 0o600), os.Rename(path+".part", path))
}

func runChild(dir string) {
	s, err := firehose.New(firehose.Options{
		Addr: "127.0.0.1:0", StateDir: filepath.Join(dir, "state"), Bucket: files(filepath.Join(dir, "objects")),
		Streams: []firehose.Stream{{Name: "s", Prefix: "out/", BufferBytes: 20_000, BufferEvery: 5 * time.Millisecond}},
	})
	if err != nil {
		panic(err)
	}
	err = s.Run(context.Background(), func(addr string) { fmt.Println(addr) })
	panic(err)
}

func TestServer_loses_no_records_when_killed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "objects"), 0o700))
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	sent := 0
	faults := harnesstest.CountFaults(t, "kill")
	for round := range 4 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(child.Environ(), childDir+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		var addr string
		_, err = fmt.Fscanln(out, &addr)
		require.NoError(t, err)
		c := client(t, "http://"+addr)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for { // until the server has exited
					mu.Lock()
					records := lines(sent, 20)
					sent += 20
					enough := sent > 4000*(round+1)
					mu.Unlock()
					if enough {
						child.Process.Kill()
					}
					if _, err := c.PutRecordBatch(t.Context(), batch(records...)); err != nil {
						return
					}
					mu.Lock()
					for _, text := range texts(records) {
						acknowledged[text] = true
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.ErrorContains(t, child.Wait(), "killed")
		faults.Inject("kill")
	}
	require.Greater(t, len(acknowledged), 10_000)
	last := firehosetest.NewBucket()
	o := firehosetest.Options(t, last)
	o.StateDir = filepath.Join(dir, "state")
	s, err := firehose.New(o)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, text := range delivered(t, filepath.Join(dir, "objects"), last) {
		delete(acknowledged, text)
	}
	require.Empty(t, acknowledged)
}

// delivered returns the lines of the objects of the children and of the last
// server.
func delivered(t *testing.T, dir string, last *firehosetest.Bucket) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".part") {
			continue
		}
		f, err := os.Open(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.NoError(t, errors.Join(last.Put(t.Context(), e.Name(), f), f.Close()))
	}
	return last.Lines("out")
}
