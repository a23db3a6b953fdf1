package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/quarantine"
)

const (
	// replayTimeout ends a request. After half of it no other batch is begun.
	replayTimeout = 60 * time.Second

	maxReplayed = 20   // batches in a request
	markedPage  = 1000 // keys that are looked up in one round trip
)

func (s *server) replayRoutes() {
	rest.Register(s.api, huma.Operation{OperationID: "replay-failed-batches", Method: http.MethodPost, Path: "/stream/replay-failed", Tags: []string{"Stream"},
		Summary: "Send the batches that the mapping gave up to the stream again",
		Description: "Sends the records of at most 20 batches, with the partition keys and bytes that they had, and marks each batch. A marked batch is not " +
			"sent again. Repeat the request while remaining is true. Events that were stored before count once."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "stream.replay", Timeout: replayTimeout, Slots: s.objects}, s.replayFailed)
}

type replayFailedOutput struct{ Body apiclient.Replayed }

// errReplayed ends the transaction of a batch that another request has sent.
var errReplayed = errors.New("the batch was replayed before")

func (s *server) replayFailed(ctx context.Context, _ *struct{}) (*replayFailedOutput, error) {
	if err := s.requireBucket(); err != nil {
		return nil, err
	}
	if s.stream == nil {
		return nil, rest.FailAfter(http.StatusServiceUnavailable, "no_stream", "no stream is configured", "set RECFLOW_STREAM", time.Minute)
	}
	keys, err := s.failedBatches(ctx)
	if err != nil {
		return nil, err
	}
	out := &replayFailedOutput{apiclient.Replayed{WithoutRecords: []string{}}}
	began := time.Now()
	for _, key := range keys {
		if out.Body.Batches == maxReplayed || time.Since(began) > replayTimeout/2 {
			out.Body.Remaining = true
			break
		}
		n, err := s.replayBatch(ctx, key)
		switch {
		case errors.Is(err, errReplayed):
		case errors.Is(err, quarantine.ErrNoPayload):
			out.Body.WithoutRecords = append(out.Body.WithoutRecords, key)
		case err != nil:
			return nil, err
		default:
			out.Body.Batches++
			out.Body.Records += n
		}
	}
	return out, nil
}

// failedBatches returns the keys of the failed batches that are not marked.
func (s *server) failedBatches(ctx context.Context) (keys []string, err error) {
	var all []string
	for key, err := range s.quarantine.FailedBatches(ctx) {
		if err != nil {
			return nil, s.bucketProblem(ctx, err)
		}
		all = append(all, key)
	}
	for page := range slices.Chunk(all, markedPage) {
		marked, err := s.events.Replayed(ctx, page)
		if err != nil {
			return nil, err
		}
		keys = append(keys, slices.DeleteFunc(page, func(key string) bool { return marked[key] })...)
	}
	return keys, nil
}

// replayBatch sends the records of a batch and returns their number. The mark is
// written in the same transaction as the audit entry, and only if the stream has
// accepted all records.
func (s *server) replayBatch(ctx context.Context, key string) (int, error) {
	records, err := s.quarantine.FailedBatch(ctx, key)
	if errors.Is(err, quarantine.ErrNoPayload) {
		return 0, err
	}
	if err != nil {
		return 0, s.bucketProblem(ctx, err)
	}
	err = s.api.Change(ctx, key, func(tx *postgres.DB) error {
		first, err := events.New(tx).MarkReplayed(ctx, key, len(records))
		if err == nil && !first {
			err = errReplayed
		}
		if err != nil {
			return err
		}
		put, cancel := context.WithTimeout(ctx, putTimeout+time.Duration(rounds(records))*roundTime)
		defer cancel()
		_, err = s.stream.Put(put, records)
		return s.replayProblem(ctx, err)
	})
	return len(records), err
}

// replayProblem returns the problem for a stream that does not accept a batch.
func (s *server) replayProblem(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	s.log.WarnContext(ctx, "stream did not accept all records of a failed batch", "error", err)
	const (
		detail   = "the stream did not accept all records of a batch, which is not marked"
		solution = "send the same request again later; events that were written count once"
	)
	if awsclient.Throttled(err) {
		return rest.FailAfter(http.StatusTooManyRequests, "stream_throttled", detail, solution, rest.RetrySoon)
	}
	return rest.FailAfter(http.StatusServiceUnavailable, "stream_unavailable", detail, solution, rest.RetrySoon)
}
