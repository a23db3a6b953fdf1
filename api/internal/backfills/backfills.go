// Package backfills contains the operations of the API that start work: backfills,
// which are stored in the ledger and run by a workflow, and the refresh schedule,
// which is stored in Temporal. Both use the same training parameters.
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
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// Service implements the operations on backfills and on the refresh schedule.
type Service struct {
	API      *rest.API
	Log      *slog.Logger
	Ledger   *ledger.Store
	Versions *versions.Store
	Temporal client.Client
	Settings config.Temporal
	Stopping <-chan struct{} // closed when the process drains

	polls *rest.Slots
}

// Register registers the operations with the API.
func (s *Service) Register() {
	s.polls = rest.NewSlots(maxPolls, 0)
	s.backfillRoutes()
	s.scheduleRoutes()
}

const (
	// temporalTimeout bounds a request to Temporal.
	temporalTimeout = 5 * time.Second
	maxPoll         = 60 * time.Second
	pollEvery       = 250 * time.Millisecond

	// maxPolls is the number of requests that wait for a change at the same time.
	// Each reads a revision at every pollEvery.
	maxPolls = 64

	// readTimeout bounds a read of the ledger during a long poll.
	readTimeout = 5 * time.Second
)

func (s *Service) backfillRoutes() {
	tags := []string{"Backfills"}
	rest.Register(s.API, huma.Operation{OperationID: "start-backfill", Method: http.MethodPost, Path: "/backfill", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Start a backfill, or plan it with dry_run",
		Description: "Records the backfill in the ledger and starts its workflow. If Temporal or the workers are unreachable, a worker starts the workflow as soon as it runs. " +
			"Location is the URL of the backfill. A window is skipped if there are no events before its end when its turn comes. " +
			"If the same request is sent again with the same Idempotency-Key, or without one while the first backfill is active, nothing is started and the response is the first backfill. " +
			"A training of the same kind on an overlapping range is refused with 409. " +
			"Lists are written under lists/ in the bucket; until they are complete, their version is not pruned. " +
			"With dry_run, the response is 200 with the plan, and nothing is started. The plan needs a worker: without one, the response is 503.",
		Responses: map[string]*huma.Response{
			"200": {Description: "The plan, with dry_run.", Content: map[string]*huma.MediaType{"application/json": {Schema: s.API.Schema(apiclient.Plan{})}}},
			"202": {Description: "The backfill.", Content: map[string]*huma.MediaType{"application/json": {Schema: s.API.Schema(apiclient.Backfill{})}}},
		}},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.start", Timeout: temporalTimeout + planTimeout + rest.DefaultTimeout}, s.startBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "list-backfills", Method: http.MethodGet, Path: "/backfill", Tags: tags,
		Summary: "List backfills, newest first"}, rest.Access{Scope: apiclient.ScopeRead}, s.listBackfills)
	rest.Register(s.API, huma.Operation{OperationID: "get-backfill", Method: http.MethodGet, Path: "/backfill/{id}", Tags: tags,
		Summary: "Show a backfill",
		Description: "With wait, the response is sent when the backfill has changed since the given revision (by default, since the request), or when the time has elapsed. " +
			"If too many requests wait, the response is 503."},
		rest.Access{Scope: apiclient.ScopeRead, Timeout: maxPoll + rest.DefaultTimeout}, s.getBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "cancel-backfill", Method: http.MethodPost, Path: "/backfill/{id}/cancel", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary:     "Cancel a backfill",
		Description: "Running trainings and loads are stopped and undone, and running windows of lists are stopped; finished windows are kept. Repeating the request has no effect."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.cancel", Timeout: temporalTimeout + rest.DefaultTimeout}, s.cancelBackfill)
	rest.Register(s.API, huma.Operation{OperationID: "retry-backfill", Method: http.MethodPost, Path: "/backfill/{id}/retry", Tags: tags, DefaultStatus: http.StatusAccepted,
		Summary: "Retry the failed and cancelled windows of a backfill"},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "backfill.retry", Timeout: temporalTimeout + rest.DefaultTimeout}, s.retryBackfill)
}

type startBackfillInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"200" doc:"Key chosen by the client. Requests with the same key are carried out once."`
	Body           apiclient.NewBackfill
}

// startBackfillOutput is the backfill, or the plan of a dry run.
type startBackfillOutput struct {
	Status   int
	Location string `header:"Location" doc:"URL of the backfill."`
	Body     any
}

func (s *Service) startBackfill(ctx context.Context, in *startBackfillInput) (*startBackfillOutput, error) {
	rest.SetTarget(ctx, in.Body.Kind)
	key := in.IdempotencyKey
	if key != "" {
		key = rest.PrincipalOf(ctx).Actor() + " " + key // keys are scoped to the caller
	}
	n, err := s.newBackfill(ctx, in.Body, key)
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
		// Without dry_run, CreateBackfill checks this.
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
			return errDuplicate
		}
		return err
	})
	switch {
	case errors.Is(err, errDuplicate):
		return s.accepted(b), nil
	case err != nil:
		return nil, backfillRefused(err)
	}
	s.begin(ctx, b)
	return s.accepted(b), nil
}

// errDuplicate rolls back the transaction if a concurrent request has created the
// same backfill: nothing changes and nothing is audited.
var errDuplicate = errors.New("a concurrent request has created the same backfill")

// begin starts the workflow of a backfill that is in the ledger. If that fails, a
// worker starts it.
func (s *Service) begin(ctx context.Context, b backfill.Backfill) {
	if b.Over() {
		return
	}
	// The backfill is in the ledger, even if the caller has disconnected.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), temporalTimeout)
	defer cancel()
	if err := workflows.StartBackfill(ctx, s.Temporal, s.Settings.TaskQueue, b); err != nil {
		s.Log.WarnContext(ctx, "failed to start a backfill, leaving it to a worker", "backfill", b.ID, "error", err)
	}
}

func (s *Service) accepted(b backfill.Backfill) *startBackfillOutput {
	return &startBackfillOutput{Status: http.StatusAccepted, Location: "/backfill/" + b.ID, Body: s.describe(b)}
}

// backfillRefused returns the problem for an error of the ledger.
func backfillRefused(err error) error {
	var overlap *ledger.OverlapError
	switch {
	case errors.As(err, &overlap):
		return rest.Fail(http.StatusConflict, "overlap", "backfill "+overlap.ID+" is active on an overlapping range",
			"wait for it, cancel it, or use another range: see /backfill/"+overlap.ID)
	case errors.Is(err, ledger.ErrKeyReused):
		return rest.Fail(http.StatusUnprocessableEntity, "key_reused", "the Idempotency-Key was used for another request", "use a new key for a new request")
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
	Wait  string `query:"wait" pattern:"^[0-9]{1,5}(ms|s)$" doc:"How long to wait for a change, at most a minute." example:"30s"`
	Since int64  `query:"since" minimum:"0" doc:"Last known revision. Defaults to the current one."`
}
type backfillOutput struct{ Body apiclient.Backfill }

func (s *Service) getBackfill(ctx context.Context, in *getBackfillInput) (*backfillOutput, error) {
	if wait, err := time.ParseDuration(in.Wait); err == nil {
		if err := s.awaitChange(ctx, in.ID, in.Since, wait); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, rest.DefaultTimeout)
	defer cancel()
	b, err := s.Ledger.Backfill(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &backfillOutput{s.describe(b)}
	if err := s.addETA(ctx, &out.Body); err != nil {
		return nil, err
	}
	if out.Body.Kind != backfill.Lists { // their progress is in the ledger
		s.addProgress(ctx, &out.Body)
	}
	return out, nil
}

// awaitChange returns when a backfill has changed since the revision or is over, or
// when wait has elapsed.
func (s *Service) awaitChange(ctx context.Context, id string, since int64, wait time.Duration) error {
	revision, over, err := s.revision(ctx, id)
	if err != nil || over {
		return err
	}
	release, err := s.polls.Take(ctx)
	if err != nil {
		return err
	}
	defer release()
	if since == 0 {
		since = revision
	}
	deadline := time.NewTimer(min(wait, maxPoll))
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for revision == since {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Stopping:
			return nil
		case <-deadline.C:
			return nil
		case <-tick.C:
		}
		read, cancel := context.WithTimeout(ctx, readTimeout)
		revision, err = s.Ledger.BackfillRevision(read, id)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// revision returns the revision of a backfill, and whether the backfill is over.
func (s *Service) revision(ctx context.Context, id string) (revision int64, over bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	b, err := s.Ledger.Backfill(ctx, id)
	return b.Revision, b.Over(), err
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

// stop cancels the workflow of a backfill. If Temporal is unavailable, a worker
// cancels it.
func (s *Service) stop(ctx context.Context, b backfill.Backfill) (backfill.Backfill, error) {
	ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), temporalTimeout)
	defer cancel()
	err := s.Temporal.CancelWorkflow(ask, b.WorkflowID, "")
	var unknown *serviceerror.NotFound
	switch {
	case errors.As(err, &unknown):
		return s.Ledger.EndBackfill(ctx, b.ID, b.Round, "")
	case err != nil:
		s.Log.WarnContext(ctx, "failed to cancel a backfill, leaving it to a worker", "backfill", b.ID, "error", err)
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

// checkTemporal returns a problem if Temporal is unreachable.
func (s *Service) checkTemporal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	if err := temporalconfig.Check(ctx, s.Temporal, s.Settings.Namespace); err != nil {
		s.Log.WarnContext(ctx, "Temporal is unreachable", "error", err)
		return rest.FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal is unreachable; nothing was started", "try again", rest.RetrySoon)
	}
	return nil
}
