package firehose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// Limits of AWS, as its documents state them.
const (
	MaxRecord       = 1000 << 10 // bytes of one record
	MaxBatchRecords = 500
	MaxBatchBytes   = 4 << 20
)

// Putter stores an object, replacing one under the same key.
type Putter interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Stream is one delivery stream with S3 as its destination. Objects are gzip.
type Stream struct {
	Name string

	// Prefix of keys. !{timestamp:…} is replaced by the arrival (UTC) of an
	// object's first record, in the patterns yyyy MM dd HH mm ss and 'literal'. A
	// prefix without one gets !{timestamp:yyyy/MM/dd/HH/} behind it.
	Prefix string

	// ErrorPrefix is for what cannot be delivered as it is. It needs
	// !{firehose:error-output-type} where it has expressions, and may be empty
	// only where Prefix has none.
	ErrorPrefix string

	// Delimiter is put behind every record, whatever it ends in: AWS's processor
	// AppendDelimiterToRecord. Empty: records are concatenated as they are.
	Delimiter string

	// An object is delivered when the buffer reaches BufferBytes, or BufferEvery
	// after its first record. AWS allows 1 to 128 MiB and 0 to 900 s.
	BufferBytes int64
	BufferEvery time.Duration
}

// Fault decides what goes wrong with a call, for tests. call is the code of an
// error of the whole call, or empty; failed gives an error code for single
// records, by index (AWS uses ServiceUnavailableException and InternalFailure). It
// may be called by many calls at a time, and takes as long as the call is to take.
type Fault func(stream string, records [][]byte) (call string, failed map[int]string)

// Options describes the endpoint.
type Options struct {
	Addr     string // host:port to serve on; loopback only
	StateDir string // of records that are not delivered yet; one endpoint at a time uses it
	Streams  []Stream
	Bucket   Putter

	// MaxBacklog bounds the bytes of one stream that are not delivered yet. Above
	// it records are refused, as AWS does above its quota. 0 means 1 GiB.
	MaxBacklog int64

	// RetryFirst and RetryMost bound the pause before a delivery is tried again;
	// 0 means 100 ms and 5 s.
	RetryFirst, RetryMost time.Duration

	Fault Fault        // nil: nothing goes wrong
	Log   *slog.Logger // nil discards it
}

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`)

func (o Options) complete() (Options, error) {
	if o.MaxBacklog == 0 {
		o.MaxBacklog = 1 << 30
	}
	if o.RetryFirst == 0 {
		o.RetryFirst = 100 * time.Millisecond
	}
	if o.RetryMost == 0 {
		o.RetryMost = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if o.Addr != "" {
		errs = append(errs, awsjson.CheckLoopback(o.Addr))
	}
	if o.StateDir == "" || o.Bucket == nil || len(o.Streams) == 0 {
		errs = append(errs, errors.New("a state folder, a bucket and a delivery stream are needed"))
	}
	o.Streams = slices.Clone(o.Streams)
	for i, s := range o.Streams {
		if !namePattern.MatchString(s.Name) {
			errs = append(errs, fmt.Errorf("delivery stream %q has no proper name", s.Name))
		}
		if s.BufferBytes <= 0 || s.BufferEvery < 0 {
			errs = append(errs, fmt.Errorf("delivery stream %s has no buffer", s.Name))
		}
		var err error
		if o.Streams[i], err = completePrefixes(s); err != nil {
			errs = append(errs, fmt.Errorf("delivery stream %s: %w", s.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return o, fmt.Errorf("options of the local Firehose: %w", err)
	}
	return o, nil
}
