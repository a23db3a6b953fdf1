// Package backfills holds the operations of the API that start work: backfills,
// which the ledger keeps and a workflow runs, and the schedule of the refresh,
// which is Temporal's. Both read what a training is asked for in the same way.
package backfills

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// Service answers the operations on backfills and on the schedule of the refresh.
type Service struct {
	API      *rest.API
	Log      *slog.Logger
	Ledger   *ledger.Store
	Temporal client.Client
	Settings config.Temporal
	Stopping <-chan struct{} // closed when the process drains
}

// Register registers the operations with the API.
func (s *Service) Register() {
	s.backfillRoutes()
	s.scheduleRoutes()
}

const (
	// temporalTimeout bounds the wait for Temporal to take something.
	temporalTimeout = 5 * time.Second
	longestPoll     = 60 * time.Second
	pollEvery       = 250 * time.Millisecond
)

func (s *Service) backfillRoutes() {
	tags := []string{"Backfills"}
	rest.Register(s.API, huma.Operation{OperationID: "start-backfill", Method: http.MethodPost, Path: "/backfill", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Start a backfill, or plan it with dry_run",
		Description: "The backfill is written to the ledger, and its workflow starts at once or, when Temporal or the workers are unreachable, as soon as " +
			"a worker runs: the answer says where to follow it. A window is skipped when, as its turn comes, there are no events before its end. Sent again with the same Idempotency-Key, or without one while the first " +
			"is at work, the same request starts nothing and gets the same answer. A backfill of the same kind on an overlapping range is refused with 409. " +
			"With dry_run the answer is 200 and the plan, and nothing is started; the plan needs a worker, so it is refused with 503 when none answers.",
		Responses: map[string]*huma.Response{
			"200": {Description: "The plan, for dry_run.", Content: map[string]*huma.MediaType{"application/json": {Schema: s.API.Schema(apiclient.Plan{})}}},
			"202": {Description: "The backfill.", Content: map[string]*huma.MediaType{"application/json": {Schema: s.API.Schema(apiclient.Backfill{})}}},
		}},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.start"}, s.startBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "list-backfills", Method: http.MethodGet, Path: "/backfill", Tags: tags,
		Summary: "List backfills, newest first"}, rest.Access{Scope: apiclient.ScopeRead}, s.listBackfills)
	rest.Register(s.API, huma.Operation{OperationID: "get-backfill", Method: http.MethodGet, Path: "/backfill/{id}", Tags: tags,
		Summary:     "Show a backfill",
		Description: "With wait, the answer comes when the ledger has changed since the given revision (or, without one, since the request), or when the time is over."},
		rest.Access{Scope: apiclient.ScopeRead}, s.getBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "cancel-backfill", Method: http.MethodPost, Path: "/backfill/{id}/cancel", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary:     "Cancel a backfill",
		Description: "Trainings and loads under way stop and are undone; what is finished stays. Repeating it changes nothing."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.cancel"}, s.cancelBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "retry-backfill", Method: http.MethodPost, Path: "/backfill/{id}/retry", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Retry the failed and cancelled windows of a backfill"},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.retry"}, s.retryBackfill)
}

type startBackfillInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Of your choice: the request is done once, however often it is sent."`
	Body           apiclient.NewBackfill
}

// startBackfillOutput is the backfill, or the plan of a dry run.
type startBackfillOutput struct {
	Status   int
	Location string `header:"Location" doc:"Where to follow it."`
	Body     any
}

func (s *Service) startBackfill(ctx context.Context, in *startBackfillInput) (*startBackfillOutput, error) {
	rest.SetTarget(ctx, in.Body.Kind)
	key := in.IdempotencyKey
	if key != "" {
		key = rest.PrincipalOf(ctx).Actor() + " " + key // of each caller by itself
	}
	n, err := newBackfill(ctx, in.Body, key)
	if err != nil {
		return nil, err
	}
	found, err := s.Ledger.FindBackfill(ctx, key, n.RequestDigest)
	switch {
	case err == nil && !in.Body.DryRun:
		return s.accepted(found), nil
	case err != nil && !errors.Is(err, recsys.ErrNotFound):
		return nil, backfillRefused(err)
	}
	if in.Body.DryRun {
		// For others the ledger does so, together with looking for the very same.
		if err := s.Ledger.RefuseOverlap(ctx, found.ID, n.Kind, n.From, n.To); err != nil {
			return nil, backfillRefused(err)
		}
		plan, err := s.plan(ctx, &n)
		if err != nil {
			return nil, err
		}
		return &startBackfillOutput{Status: http.StatusOK, Body: plan}, nil
	}
	var b backfill.Backfill
	err = s.API.Change(ctx, n.ID, func(tx *postgres.DB) (err error) {
		var existing bool
		if b, existing, err = ledger.New(tx).CreateBackfill(ctx, n); existing {
			return errExisting
		}
		return err
	})
	switch {
	case errors.Is(err, errExisting):
		return s.accepted(b), nil
	case err != nil:
		return nil, backfillRefused(err)
	}
	s.begin(ctx, b)
	return s.accepted(b), nil
}

// errExisting ends the transaction of a request that another one was faster
// with: there is no change, and nothing for the audit.
var errExisting = errors.New("the same request was faster")

// begin starts the workflow of a backfill that is in the ledger. When that fails
// a worker does it soon.
func (s *Service) begin(ctx context.Context, b backfill.Backfill) {
	if b.Over() {
		return
	}
	// The caller may be gone; the backfill is written down all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), temporalTimeout)
	defer cancel()
	if err := workflows.StartBackfill(ctx, s.Temporal, s.Settings.TaskQueue, b); err != nil {
		s.Log.WarnContext(ctx, "a backfill is left for a worker to start", "backfill", b.ID, "error", err)
	}
}

func (s *Service) accepted(b backfill.Backfill) *startBackfillOutput {
	return &startBackfillOutput{Status: http.StatusAccepted, Location: "/backfill/" + b.ID, Body: s.describe(b)}
}

// backfillRefused says why the ledger did not take a backfill.
func backfillRefused(err error) error {
	var overlap *ledger.OverlapError
	switch {
	case errors.As(err, &overlap):
		return rest.Fail(http.StatusConflict, "overlap", "backfill "+overlap.ID+" is at work on a part of the range",
			"wait for it, cancel it, or take another range: see /backfill/"+overlap.ID)
	case errors.Is(err, ledger.ErrKeyReused):
		return rest.Fail(http.StatusUnprocessableEntity, "key_reused", "the Idempotency-Key came with another request before", "use a new key for a new request")
	}
	return err
}

type listBackfillsOutput struct{ Body apiclient.Backfills }

func (s *Service) listBackfills(ctx context.Context, in *struct{ rest.Page }) (*listBackfillsOutput, error) {
	var after *backfill.Backfill
	if in.Cursor != "" {
		id, err := rest.DecodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		b, err := s.Ledger.Backfill(ctx, id)
		if err != nil {
			return nil, rest.BadCursor()
		}
		after = &b
	}
	found, err := s.Ledger.Backfills(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listBackfillsOutput{apiclient.Backfills{Items: []apiclient.Backfill{}}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Body.Next = rest.EncodeCursor(found[in.Limit-1].ID)
	}
	for _, b := range found {
		out.Body.Items = append(out.Body.Items, s.describe(b))
	}
	return out, nil
}

type getBackfillInput struct {
	ID    string `path:"id" maxLength:"64" pattern:"^[A-Za-z0-9-]+$"`
	Wait  string `query:"wait" pattern:"^[0-9]{1,5}(ms|s)$" doc:"Wait at most so long for a change, and never longer than a minute." example:"30s"`
	Since int64  `query:"since" minimum:"0" doc:"The revision that is known; that of now when left out."`
}
type backfillOutput struct{ Body apiclient.Backfill }

func (s *Service) getBackfill(ctx context.Context, in *getBackfillInput) (*backfillOutput, error) {
	if wait, err := time.ParseDuration(in.Wait); err == nil {
		if err := s.awaitChange(ctx, in.ID, in.Since, wait); err != nil {
			return nil, err
		}
	}
	b, err := s.Ledger.Backfill(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &backfillOutput{s.describe(b)}
	if err := s.addETA(ctx, &out.Body); err != nil {
		return nil, err
	}
	s.addProgress(ctx, &out.Body)
	return out, nil
}

// awaitChange returns when a backfill has changed or is over, or the time is.
func (s *Service) awaitChange(ctx context.Context, id string, since int64, wait time.Duration) error {
	b, err := s.Ledger.Backfill(ctx, id)
	if err != nil || b.Over() {
		return err
	}
	if since == 0 {
		since = b.Revision
	}
	deadline := time.NewTimer(min(wait, longestPoll))
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for revision := b.Revision; revision == since; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Stopping:
			return nil
		case <-deadline.C:
			return nil
		case <-tick.C:
		}
		if revision, err = s.Ledger.BackfillRevision(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

type backfillIDInput struct {
	ID string `path:"id" maxLength:"64" pattern:"^[A-Za-z0-9-]+$"`
}

func (s *Service) cancelBackfill(ctx context.Context, in *backfillIDInput) (*backfillOutput, error) {
	var b backfill.Backfill
	err := s.API.Change(ctx, in.ID, func(tx *postgres.DB) (err error) {
		b, err = ledger.New(tx).CancelBackfill(ctx, in.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !b.Over() {
		if b, err = s.stop(ctx, b); err != nil {
			return nil, err
		}
	}
	return &backfillOutput{s.describe(b)}, nil
}

// stop signals the workflow of a backfill to cancel. If Temporal
// is unavailable, a worker does it soon, from the ledger.
func (s *Service) stop(ctx context.Context, b backfill.Backfill) (backfill.Backfill, error) {
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), temporalTimeout)
	defer cancel()
	err := s.Temporal.CancelWorkflow(ask, b.WorkflowID, "")
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown):
		return s.Ledger.EndBackfill(ctx, b.ID, b.Round, "")
	case err != nil:
		s.Log.WarnContext(ctx, "a backfill is left for a worker to cancel", "backfill", b.ID, "error", err)
	}
	return b, nil
}

func (s *Service) retryBackfill(ctx context.Context, in *backfillIDInput) (*backfillOutput, error) {
	var b backfill.Backfill
	err := s.API.Change(ctx, in.ID, func(tx *postgres.DB) (err error) {
		b, err = ledger.New(tx).RetryBackfill(ctx, in.ID)
		return err
	})
	if err != nil {
		return nil, backfillRefused(err)
	}
	s.begin(ctx, b)
	return &backfillOutput{s.describe(b)}, nil
}

// temporalAnswers refuses to ask for a plan that could not come.
func (s *Service) temporalAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	_, err := s.Temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
	if err != nil {
		s.Log.WarnContext(ctx, "Temporal is unreachable", "error", err)
		return rest.FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal does not answer; nothing was started", "try again", rest.RetrySoon)
	}
	return nil
}
