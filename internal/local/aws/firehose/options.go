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

// Limits documented by AWS.
const (
	MaxRecord       = 1000 << 10 // bytes of one record
	MaxBatchRecords = 500
	MaxBatchBytes   = 4 << 20
)

// Putter stores an object, replacing an existing one.
type Putter interface {
	Put(ctx context.Context, key string, body io.ReadSeeker) error
}

// Stream is one delivery stream with S3 as its destination. Objects are gzip.
type Stream struct {
	Name string

	// Prefix of keys. !{timestamp:…} is replaced by the arrival (UTC) of an
	// object's first record, in the patterns yyyy MM dd HH mm ss and 'literal'. A
	// prefix without one is followed by !{timestamp:yyyy/MM/dd/HH/}.
	Prefix string

	// ErrorPrefix is for data that cannot be delivered as it is. It needs
	// !{firehose:error-output-type} if it has expressions, and may be empty only if
	// Prefix has none.
	ErrorPrefix string

	// Delimiter is appended to every record, whatever it ends in: AWS's processor
	// AppendDelimiterToRecord. Empty: records are concatenated unchanged.
	Delimiter string

	// An object is delivered when the buffer reaches BufferBytes, or BufferEvery
	// after its first record. AWS allows 1 to 128 MiB and 0 to 900 s.
	BufferBytes int64
	BufferEvery time.Duration
}

// Fault injects faults into calls, for tests. call is the error code of the whole
// call, or empty; failed maps the index of a record to its error code (AWS uses
// ServiceUnavailableException and InternalFailure). It may be called concurrently
// and may block to delay the call.
type Fault func(stream string, records [][]byte) (call string, failed map[int]string)

// Options describes the endpoint.
type Options struct {
	Addr     string // host:port to serve on; loopback only
	StateDir string // of undelivered records; used by one endpoint at a time
	Streams  []Stream
	Bucket   Putter

	// MaxBacklog limits the undelivered bytes of one stream. Above it records are
	// rejected, as AWS does above its quota. 0 means 1 GiB.
	MaxBacklog int64

	// RetryFirst and RetryMost limit the pause before a delivery is retried; 0
	// means 100 ms and 5 s.
	RetryFirst, RetryMost time.Duration

	Fault Fault        // nil: no faults
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
		errs = append(errs, errors.New("a state directory, a bucket and a delivery stream are required"))
	}
	o.Streams = slices.Clone(o.Streams)
	for i, s := range o.Streams {
		if !namePattern.MatchString(s.Name) {
			errs = append(errs, fmt.Errorf("delivery stream name %q is invalid", s.Name))
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
