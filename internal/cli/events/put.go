package events

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/streamio"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/progress"
)

const (
	// putBatch is the number of records per put. It is more than a call takes:
	// a call has one record per user, and more records to choose from result in
	// fuller calls.
	putBatch      = 2000
	putBatchBytes = 16 << 20

	// sendEarly is how much before its time a record may be sent together with
	// the previous one.
	sendEarly = 20 * time.Millisecond

	// namedRows is the number of rows that are named if they cannot be sent.
	namedRows = 20
)

// outgoing is a record to send.
type outgoing struct {
	place  string // position in its file, for messages
	record awsclient.StreamRecord
	keys   []apiclient.EventKey // of the verdicts of its events; without an id there is none
	faults []string             // of a raw record: why the stream will reject each event; empty: unknown
	at     time.Time            // time of the event, for a pace that follows it
}

// keyOf returns the key of an event's verdict.
func keyOf(id string, digest [16]byte) apiclient.EventKey {
	return apiclient.EventKey{EventID: id, Digest: hex.EncodeToString(digest[:])}
}

// pace returns when a record is due, relative to the first: n counts from 0.
type pace func(n int64, o outgoing) time.Duration

// steadily returns a pace with a fixed number of records per second. Late
// records are sent as fast as possible.
func steadily(rate float64) pace {
	return func(n int64, _ outgoing) time.Duration {
		return time.Duration(float64(n) / rate * float64(time.Second))
	}
}

// sender puts records on the stream, in order and at its pace.
type sender struct {
	put  func(context.Context, []awsclient.StreamRecord) ([]awsclient.PutResult, error)
	pace pace                             // nil: as fast as possible
	wait *waiter                          // nil: do not wait for verdicts
	say  func(format string, args ...any) // prints a permanent line on stderr
	task *progress.Task

	started time.Time // when the first record was due
	batch   []outgoing
	bytes   int
	seen    int64

	report sendReport
}

// add adds a record when it is due. It returns an error if no more records can
// be sent.
func (s *sender) add(ctx context.Context, o outgoing) error {
	if s.started.IsZero() {
		s.started = time.Now()
	}
	if s.pace != nil {
		due := s.started.Add(s.pace(s.seen, o))
		if time.Until(due) > sendEarly {
			if err := s.flush(ctx); err != nil {
				return err
			}
			if err := app.SleepUntil(ctx, due); err != nil {
				return err
			}
		}
	}
	s.seen++
	s.report.Events++
	s.batch = append(s.batch, o)
	s.bytes += len(o.record.Data)
	if len(s.batch) < putBatch && s.bytes < putBatchBytes {
		return nil
	}
	return s.flush(ctx)
}

// refuse reports a row that is not sent.
func (s *sender) refuse(r importer.Reject) error {
	s.report.Events++
	s.report.Refused++
	if s.report.Refused <= namedRows {
		s.say("%s: %s", r.Place(), r.Reason)
	}
	if s.report.Refused == namedRows+1 {
		s.say("further rows that cannot be sent are only counted")
	}
	return nil
}

// flush puts the added records. It retries only failed records; if a batch
// cannot be put within streamio.PutTimeout, sending ends.
func (s *sender) flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	records := make([]awsclient.StreamRecord, len(s.batch))
	for i, o := range s.batch {
		records[i] = o.record
	}
	put, cancel := context.WithTimeout(ctx, streamio.PutTimeout)
	defer cancel()
	at := time.Now()
	results, err := s.put(put, records)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	named := 0
	for i, r := range results {
		o := s.batch[i]
		if r.Err != nil {
			s.report.Unsent++
			if named++; named <= namedRows && ctx.Err() == nil {
				s.say("%s: not sent: %v", o.place, r.Err)
			}
			continue
		}
		s.report.sent(o)
		for _, key := range o.keys {
			if s.wait != nil && key.EventID != "" {
				s.wait.expect(key, at)
			}
		}
	}
	if results == nil {
		s.report.Unsent += int64(len(s.batch))
	}
	s.batch, s.bytes = s.batch[:0], 0
	s.show()
	return err
}

func (s *sender) show() {
	text := output.Thousands(s.report.Sent) + " sent"
	if took := time.Since(s.started); took > time.Second {
		text += fmt.Sprintf(", %.0f/s", float64(s.report.Sent)/took.Seconds())
	}
	if s.wait != nil {
		text += ", " + output.Thousands(int64(s.wait.done())) + " with a verdict"
	}
	s.task.Update("%s", text)
}
