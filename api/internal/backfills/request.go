package backfills

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/rawdata"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// newBackfill converts a request to a ledger entry with its windows, before it is
// decided which of them run.
func (s *Service) newBackfill(ctx context.Context, r apiclient.NewBackfill, key string) (n ledger.NewBackfill, err error) {
	digest := requestDigest(r)
	var b backfill.Backfill
	if r.Kind == backfill.Lists {
		b, err = s.newLists(ctx, r)
	} else {
		b, err = newTrainings(r)
	}
	if err != nil {
		return n, err
	}
	b.ID, b.Kind, b.MaxParallel = strings.ToLower(rand.Text()[:backfill.IDLength]), r.Kind, max(1, r.MaxParallel)
	b.Actor = rest.PrincipalOf(ctx).Actor()
	b.WorkflowID = backfill.WorkflowID(b, 1)
	parameters := sha256.Sum256(b.Request)
	return ledger.NewBackfill{Backfill: b, Parameters: parameters[:], IdempotencyKey: key, RequestDigest: digest}, nil
}

// newTrainings converts a request for trainings.
func newTrainings(r apiclient.NewBackfill) (b backfill.Backfill, err error) {
	if r.Lists != nil {
		return b, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "lists requires kind lists", "omit it, or use kind lists")
	}
	if r.To.IsZero() {
		// Events that were sent a moment ago are included.
		r.To = time.Now().UTC().Truncate(time.Second).Add(time.Second)
	}
	step, err := parseDuration("step", r.Step)
	if err != nil {
		return b, err
	}
	cut, err := backfill.Cut(r.Kind, r.From, r.To, step)
	if err != nil {
		return b, invalid(err)
	}
	if r.Promote && r.Kind != backfill.Refresh {
		return b, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "promote requires kind refresh", "omit it; to promote a version for evaluation, use POST /versions/{version}/promote with evaluation")
	}
	training, err := trainingRequest(r)
	if err != nil {
		return b, err
	}
	request, err := json.Marshal(training)
	return backfill.Backfill{
		From: r.From.UTC(), To: r.To.UTC(), StepSeconds: int64(step / time.Second), Rerun: cmp.Or(r.Rerun, backfill.RerunMissing), Promote: r.Promote,
		Request: request, Windows: cut,
	}, err
}

// requestDigest identifies a request as it was sent: an absent end is not replaced
// by the time of the request.
func requestDigest(r apiclient.NewBackfill) []byte {
	r.DryRun = false
	data, _ := json.Marshal(r) //nolint:errchkjson // it came as JSON
	sum := sha256.Sum256(data)
	return sum[:]
}

// trainingRequest returns the parameters of each training, without its range.
func trainingRequest(r apiclient.NewBackfill) (workflows.RefreshRequest, error) {
	training := workflows.DefaultRefresh(r.To)
	training.To, training.Promote = time.Time{}, false
	if t := r.Training; t != nil {
		training.Trainer, training.Rank, training.Iterations = t.Trainer, t.Rank, t.Iterations
		training.Alpha, training.Regularization = t.Alpha, t.Regularization
		training.RegularizationExponent = t.RegularizationExponent
		if t.Seed != nil {
			training.Seed = *t.Seed
		}
		if err := setInterest(&training.Interest, t); err != nil {
			return training, err
		}
		switch t.Index {
		case apiclient.IndexAuto:
			training.Search = nil
		case apiclient.IndexHNSW:
			training.Search = &recsys.Search{Method: recsys.HNSW}
		case apiclient.IndexNone:
			training.Search = &recsys.Search{Method: recsys.Exact}
		}
		training.AcceptGates = t.AcceptGates
	}
	check := training
	check.To = r.To
	if err := check.Validate(); err != nil {
		return training, invalid(err)
	}
	return training, nil
}

// setInterest sets the interest and the half-life that were requested.
func setInterest(in *recsys.Interest, t *apiclient.Training) (err error) {
	if t.Interest != nil {
		if *in, err = t.Interest.Interest(); err != nil {
			return invalid(err)
		}
	}
	if t.HalfLife != "" {
		half, err := parseDuration("half_life", t.HalfLife)
		if err != nil {
			return err
		}
		in.HalfLifeSeconds = half.Seconds()
	}
	return nil
}

// invalid returns the problem for errors collected by errors.Join.
func invalid(err error) error {
	p := rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "the request is invalid", "see GET /docs for the parameters of this operation")
	for text := range strings.SplitSeq(err.Error(), "\n") {
		p.Errors = append(p.Errors, apiclient.Mistake{Location: "body", Message: text})
	}
	return p
}

// parseDuration parses a duration, which may be in days. An empty text and "never"
// are 0.
func parseDuration(name, text string) (time.Duration, error) {
	if text == "" || text == "never" {
		return 0, nil
	}
	d, err := recsys.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", name+" is not a valid duration", "use 7d, 36h or 90m")
	}
	return d, nil
}

// planTimeout bounds the wait for a plan.
const planTimeout = 20 * time.Second

// plan returns the decision for each window. A worker counts the events that the
// trainings would read, or the users of lists.
func (s *Service) plan(ctx context.Context, n *ledger.NewBackfill) (apiclient.Plan, error) {
	if n.Kind == backfill.Lists {
		return s.planLists(ctx, n)
	}
	p := apiclient.Plan{Kind: n.Kind, From: n.From, To: n.To, Windows: make([]apiclient.PlanWindow, len(n.Windows))}
	if err := s.Ledger.DecideWindows(ctx, n.Kind, n.Rerun, n.Parameters, n.Windows); err != nil {
		return p, err
	}
	sizes, err := s.sizes(ctx, n)
	if err != nil {
		return p, err
	}
	p.Warnings = planWarnings(sizes)
	for i := range n.Windows {
		window, size := &n.Windows[i], sizes.Windows[i]
		// The worker uses the same rule when the window's turn comes. Files that cannot be
		// counted may contain events.
		if window.State == backfill.Pending && size.Files == 0 {
			window.State, window.Reason = backfill.Skipped, backfill.NoEvents
		}
		out := apiclient.PlanWindow{Index: window.Index, From: window.From, To: window.To, Decision: "run", Reason: window.Reason,
			Files: size.Files, Bytes: size.Bytes, Rows: size.Rows, RowsEstimated: size.Estimated, FilesUnreadable: size.Unreadable, Minutes: size.Minutes}
		if window.State == backfill.Skipped {
			out.Decision = "skip"
			p.Skip++
		} else {
			p.Run++
			p.Minutes += size.Minutes / float64(n.MaxParallel)
		}
		p.Windows[i] = out
	}
	return p, nil
}

// planWarnings returns a warning for each file that could not be counted.
func planWarnings(sizes activities.PlanWindowsResult) (warnings []apiclient.PlanWarning) {
	for _, f := range sizes.Unreadable {
		warnings = append(warnings, apiclient.PlanWarning{File: f.Key, Message: "cannot count its rows: " + f.Reason})
	}
	if n := sizes.UnreadableMore; n > 0 {
		warnings = append(warnings, apiclient.PlanWarning{Message: fmt.Sprintf("the rows of %d more files cannot be counted", n)})
	}
	return warnings
}

// sizes asks a worker for the sizes of the windows.
func (s *Service) sizes(ctx context.Context, n *ledger.NewBackfill) (activities.PlanWindowsResult, error) {
	in := activities.PlanWindowsInput{}
	for _, window := range n.Windows {
		in.Ranges = append(in.Ranges, rawdata.Range{From: window.From, To: window.To})
	}
	data, err := json.Marshal(in)
	if err != nil {
		return activities.PlanWindowsResult{}, err
	}
	sum := sha256.Sum256(data)
	out, err := s.askPlan(ctx, n.Kind+"-"+backfill.Span(n.From, n.To)+"-"+hex.EncodeToString(sum[:4]), workflows.PlanRequest{Trainings: &in})
	return out.Trainings, err
}

// askPlan asks a worker, because the API has no access to events and files of users
// in S3.
func (s *Service) askPlan(ctx context.Context, id string, request workflows.PlanRequest) (out workflows.Plan, err error) {
	if err := s.checkTemporal(ctx); err != nil {
		return out, err
	}
	ask, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	out, err = workflows.AskPlan(ask, s.Temporal, s.Settings.TaskQueue, id, request)
	if err != nil && ctx.Err() == nil && errors.Is(ask.Err(), context.DeadlineExceeded) {
		s.Log.WarnContext(ctx, "timed out waiting for the backfill plan", "error", err)
		return out, rest.FailAfter(http.StatusServiceUnavailable, "no_worker", "timed out waiting for a worker to make the plan; nothing was started", "check that a worker is running, and try again", rest.RetrySoon)
	}
	return out, err
}
