// Package firehosetest has an in-memory bucket and options that deliver to it at
// once, for tests of and with the local Firehose.
package firehosetest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/firehose"
)

// ErrAway is the error of an unavailable bucket.
var ErrAway = errors.New("the bucket is unavailable")

// State is how a bucket behaves.
type State int

// States of a bucket.
const (
	Here       State = iota
	Away             // nothing is stored
	AnswerLost       // objects are stored, and the response is an error
)

// Bucket stores objects in memory.
type Bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	state   State
	faults  *harnesstest.Faults
}

// NewBucket returns an empty bucket.
func NewBucket() *Bucket { return &Bucket{objects: map[string][]byte{}} }

// Set changes the bucket's state.
func (b *Bucket) Set(s State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = s
}

// Kinds of faults.
const (
	BucketAway       = "bucket unavailable"
	BucketAnswerLost = "bucket's response lost"
	CallRefused      = "call refused"
	RecordRefused    = "record refused"
)

// CountFaults counts every failed Put in f.
func (b *Bucket) CountFaults(f *harnesstest.Faults) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = f
}

// Counted wraps fault and counts in f the calls and records that it rejects.
func Counted(f *harnesstest.Faults, fault firehose.Fault) firehose.Fault {
	return func(stream string, records [][]byte) (string, map[int]string) {
		call, failed := fault(stream, records)
		if call != "" {
			f.Inject(CallRefused)
			return call, failed
		}
		for range failed {
			f.Inject(RecordRefused)
		}
		return call, failed
	}
}

// Put stores an object.
func (b *Bucket) Put(_ context.Context, key string, body io.ReadSeeker) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != Away {
		b.objects[key] = data
	}
	if b.state == Here {
		return nil
	}
	if b.faults != nil {
		b.faults.Inject(map[State]string{Away: BucketAway, AnswerLost: BucketAnswerLost}[b.state])
	}
	return ErrAway
}

// Objects returns the contents of the objects whose keys start with prefix, by key.
func (b *Bucket) Objects(prefix string) map[string]string {
	b.mu.Lock()
	stored := maps.Clone(b.objects)
	b.mu.Unlock()
	out := map[string]string{}
	for key, data := range stored {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			panic(fmt.Sprintf("object %s: %v", key, err))
		}
		text, err := io.ReadAll(r)
		if err != nil {
			panic(fmt.Sprintf("object %s: %v", key, err))
		}
		out[key] = string(text)
	}
	return out
}

// Lines returns the lines of the objects whose keys start with prefix, sorted.
func (b *Bucket) Lines(prefix string) []string {
	var lines []string
	for _, text := range b.Objects(prefix) {
		lines = append(lines, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	}
	slices.Sort(lines)
	return lines
}

// Options describes a stream "s" that delivers to b under out/ and errors/ after 20
// ms.
func Options(t testing.TB, b firehose.Putter) firehose.Options {
	return firehose.Options{
		StateDir: t.TempDir(), Bucket: b, RetryFirst: time.Millisecond, RetryMost: 5 * time.Millisecond,
		Streams: []firehose.Stream{{
			Name: "s", Prefix: "out/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/",
			ErrorPrefix: "errors/s/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/",
			BufferBytes: 5 << 20, BufferEvery: 20 * time.Millisecond,
		}},
	}
}
