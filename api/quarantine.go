package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/quarantine"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// bucketTimeout bounds the reading of a day.
const bucketTimeout = 60 * time.Second

func (s *server) quarantineRoutes() {
	tags := []string{"Quarantine"}
	route(s, huma.Operation{OperationID: "list-quarantine", Method: http.MethodGet, Path: "/quarantine", Tags: tags,
		Summary:     "List records that the stream could not use",
		Description: "The newest records of a day, without their bytes. A record that was delivered twice is listed once."},
		access{scope: apiclient.ScopeRead}, s.listQuarantine)
	route(s, huma.Operation{OperationID: "get-quarantine-record", Method: http.MethodGet, Path: "/quarantine/{id}", Tags: tags,
		Summary: "Show a record that the stream could not use, with its bytes"},
		access{scope: apiclient.ScopeOperate}, s.getQuarantineRecord)
}

type listQuarantineInput struct {
	Day    string `query:"day" format:"date" maxLength:"10" doc:"UTC day of their delivery to the bucket; today when left out." example:"2026-01-31"`
	Reason string `query:"reason" maxLength:"100" doc:"Only records with this reason." example:"not_json"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most records to return."`
}
type listQuarantineOutput struct{ Body apiclient.Quarantine }

func (s *server) listQuarantine(ctx context.Context, in *listQuarantineInput) (*listQuarantineOutput, error) {
	day, err := parseDay(in.Day, time.Now())
	if err == nil {
		err = s.needBucket()
	}
	if err != nil {
		return nil, err
	}
	read, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	page, err := s.quarantine.List(read, quarantine.Filter{Day: day, Reason: in.Reason, Limit: in.Limit})
	if err != nil {
		return nil, s.bucketProblem(ctx, err)
	}
	if len(page.Damaged) > 0 {
		s.log.WarnContext(ctx, "quarantine objects are damaged", "keys", page.Damaged)
	}
	return &listQuarantineOutput{apiclient.Quarantine{
		Items: mapEach(page.Records, func(q stream.Quarantined) apiclient.QuarantineRecord { return quarantineRecordOf(q, day) }),
		More:  page.More, Damaged: page.Damaged,
	}}, nil
}

type getQuarantineRecordInput struct {
	ID  string `path:"id" maxLength:"256"`
	Day string `query:"day" required:"true" format:"date" minLength:"10" maxLength:"10" doc:"As in the list." example:"2026-01-31"`
}
type getQuarantineRecordOutput struct{ Body apiclient.QuarantineRecord }

func (s *server) getQuarantineRecord(ctx context.Context, in *getQuarantineRecordInput) (*getQuarantineRecordOutput, error) {
	day, err := parseDay(in.Day, time.Now())
	if err == nil {
		err = s.needBucket()
	}
	if err != nil {
		return nil, err
	}
	read, cancel := context.WithTimeout(ctx, bucketTimeout)
	defer cancel()
	q, err := s.quarantine.Get(read, day, in.ID)
	if err != nil {
		return nil, s.bucketProblem(ctx, err)
	}
	return &getQuarantineRecordOutput{quarantineRecordOf(q, day)}, nil
}

// quarantineRecordOf maps a quarantined record to its public form.
func quarantineRecordOf(q stream.Quarantined, day time.Time) apiclient.QuarantineRecord {
	return apiclient.QuarantineRecord{
		QuarantineID: q.QuarantineID, Day: day.Format(time.DateOnly), Reason: q.Reason, Detail: q.Detail, EventID: q.EventID, RawBytes: q.RawBytes, Raw: q.Raw,
		Stream: q.Stream, Shard: q.Shard, SequenceNumber: q.SequenceNumber, SubSequence: q.SubSequence, ArrivedAt: q.ArrivedAt, QuarantinedAt: q.QuarantinedAt,
	}
}

// parseDay parses a UTC day; empty is that of now.
func parseDay(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.UTC().Truncate(24 * time.Hour), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return day, fail(http.StatusUnprocessableEntity, "invalid_request", "day is not a date", "use 2006-01-02")
	}
	return day, nil
}

func (s *server) needBucket() error {
	if s.quarantine == nil {
		return failAfter(http.StatusServiceUnavailable, "no_bucket", "no bucket is configured", "set RECFLOW_BUCKET", time.Minute)
	}
	return nil
}

// bucketProblem answers for a bucket that cannot be read. What S3 says is logged.
func (s *server) bucketProblem(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	s.log.WarnContext(ctx, "quarantine cannot be read", "error", err)
	return failAfter(http.StatusServiceUnavailable, "bucket_unavailable", "the bucket cannot be read", "try again", retrySoon)
}
