package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recsys"
)

// bucketTimeout bounds reading one day of the quarantine.
const bucketTimeout = 60 * time.Second

func (s *server) quarantineRoutes() {
	tags := []string{"Quarantine"}
	rest.Register(s.api, huma.Operation{OperationID: "list-quarantine", Method: http.MethodGet, Path: "/quarantine", Tags: tags,
		Summary:     "List records that the stream could not process",
		Description: "Lists the records of one day, without their payload. A record that was delivered twice is listed once per page."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: bucketTimeout + rest.DefaultTimeout, Slots: s.objects}, s.listQuarantine)
	rest.Register(s.api, huma.Operation{OperationID: "get-quarantine-record", Method: http.MethodGet, Path: "/quarantine/{id}", Tags: tags,
		Summary:     "Show a quarantined record with its payload",
		Description: "Pass the object from the list. Without it, the request may read every object in the quarantine."},
		rest.Access{Scope: apiclient.ScopeOperate, Timeout: bucketTimeout + rest.DefaultTimeout, Slots: s.objects}, s.getQuarantineRecord)
}

type listQuarantineInput struct {
	Day    string `query:"day" format:"date" maxLength:"10" doc:"UTC day on which the records were delivered to the bucket. Defaults to today." example:"2026-01-31"`
	Reason string `query:"reason" maxLength:"100" doc:"Only records with this reason." example:"not_json"`
	Order  string `query:"order" enum:"newest,oldest" default:"newest" doc:"Order of the records, by the time of their quarantine."`
	Cursor string `query:"cursor" maxLength:"500" doc:"Cursor of the page: next of the previous page, with the same day, reason and order. Defaults to the first page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Maximum number of records to return."`
}
type listQuarantineOutput struct{ Body apiclient.Quarantine }

func (s *server) listQuarantine(ctx context.Context, in *listQuarantineInput) (*listQuarantineOutput, error) {
	day, err := parseDay(in.Day, time.Now())
	if err != nil {
		return nil, err
	}
	after, err := positionOf(in.Cursor)
	if err != nil {
		return nil, err
	}
	if err := s.requireBucket(); err != nil {
		return nil, err
	}
	read, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	page, err := s.quarantine.List(read, quarantine.Filter{Day: day, Reason: in.Reason, Limit: in.Limit, Oldest: in.Order == "oldest", After: after})
	if err != nil {
		return nil, s.bucketProblem(ctx, err)
	}
	if len(page.Damaged) > 0 {
		s.log.WarnContext(ctx, "quarantine objects are damaged", "keys", page.Damaged)
	}
	out := &listQuarantineOutput{apiclient.Quarantine{Items: rest.MapEach(page.Records, quarantineRecordOf), Damaged: page.Damaged}}
	if page.More {
		last := page.Records[len(page.Records)-1]
		out.Body.Next = rest.EncodeCursor(last.QuarantinedAt.UTC().Format(time.RFC3339Nano) + " " + last.QuarantineID)
	}
	return out, nil
}

// positionOf decodes a cursor; an empty cursor is the beginning.
func positionOf(cursor string) (p quarantine.Position, err error) {
	if cursor == "" {
		return p, nil
	}
	text, err := rest.DecodeCursor(cursor)
	if err != nil {
		return p, err
	}
	at, id, _ := strings.Cut(text, " ")
	if p.At, err = time.Parse(time.RFC3339Nano, at); err != nil || p.At.IsZero() {
		return p, rest.BadCursor()
	}
	p.ID = id
	return p, nil
}

type getQuarantineRecordInput struct {
	ID     string `path:"id" maxLength:"256"`
	Object string `query:"object" maxLength:"1024" pattern:"^quarantine/dt=[0-9-]{10}/hour=[0-9]{2}/[A-Za-z0-9._-]+[.]gz$" doc:"Key of the object with the record, from the list."`
}
type getQuarantineRecordOutput struct{ Body apiclient.QuarantineRecord }

func (s *server) getQuarantineRecord(ctx context.Context, in *getQuarantineRecordInput) (*getQuarantineRecordOutput, error) {
	if err := s.requireBucket(); err != nil {
		return nil, err
	}
	read, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	q, err := s.quarantine.Get(read, in.Object, in.ID)
	if err != nil {
		return nil, s.bucketProblem(ctx, err)
	}
	return &getQuarantineRecordOutput{quarantineRecordOf(q)}, nil
}

// quarantineRecordOf maps a quarantined record to its public form.
func quarantineRecordOf(q quarantine.Record) apiclient.QuarantineRecord {
	return apiclient.QuarantineRecord{
		QuarantineID: q.QuarantineID, Object: q.Object, Reason: q.Reason, Detail: q.Detail, EventID: q.EventID, RawBytes: q.RawBytes, RawKey: q.RawKey, Raw: q.Raw,
		Stream: q.Stream, Shard: q.Shard, SequenceNumber: q.SequenceNumber, SubSequence: q.SubSequence, ArrivedAt: q.ArrivedAt, QuarantinedAt: q.QuarantinedAt,
	}
}

// parseDay parses a UTC day; it defaults to the day of now.
func parseDay(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.UTC().Truncate(24 * time.Hour), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "day is not a date", "use the format YYYY-MM-DD")
	}
	return day, nil
}

func (s *server) requireBucket() error {
	if s.quarantine == nil {
		return rest.FailAfter(http.StatusServiceUnavailable, "no_bucket", "no bucket is configured", "set RECFLOW_BUCKET", time.Minute)
	}
	return nil
}

// bucketProblem returns the problem for a bucket that cannot be read. The error of
// S3 is only logged.
func (s *server) bucketProblem(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	s.log.WarnContext(ctx, "bucket request failed", "error", err)
	return rest.FailAfter(http.StatusServiceUnavailable, "bucket_unavailable", "the bucket cannot be read", "try again", rest.RetrySoon)
}
