package backfills

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// defaultListLength is the default length of a list.
const defaultListLength = 100

// newLists converts a request to the ledger entry of a lists backfill.
func (s *Service) newLists(ctx context.Context, r apiclient.NewBackfill) (b backfill.Backfill, err error) {
	if err := onlyForTrainings(r); err != nil {
		return b, err
	}
	var o apiclient.ListOptions
	if r.Lists != nil {
		o = *r.Lists
	}
	if o.Users != "" {
		if err := backfill.CheckListUsers(o.Users); err != nil {
			return b, invalid(err)
		}
	}
	v, err := s.version(ctx, o.Version)
	if err != nil {
		return b, err
	}
	windows := o.Windows
	if windows == 0 && o.Users == "" {
		windows = backfill.ListWindows(v.Users)
	}
	cut, err := backfill.CutLists(max(1, windows))
	if err != nil {
		return b, invalid(err)
	}
	settings := backfill.ListSettings{K: cmp.Or(o.K, defaultListLength), Category: o.Category, Tags: o.Tags, ExcludeSeen: o.ExcludeSeen, Users: o.Users}
	request, err := json.Marshal(settings)
	return backfill.Backfill{Version: v.ID, Rerun: backfill.RerunAll, Request: request, Windows: cut}, err
}

// onlyForTrainings returns a problem if a request for lists has a field that applies
// to trainings only.
func onlyForTrainings(r apiclient.NewBackfill) error {
	for _, field := range []struct {
		name  string
		given bool
	}{
		{"from", !r.From.IsZero()},
		{"to", !r.To.IsZero()},
		{"step", r.Step != ""},
		{"promote", r.Promote},
		{"training", r.Training != nil},
		{"rerun", r.Rerun != "" && r.Rerun != backfill.RerunMissing}, // the default of the schema
	} {
		if field.given {
			return rest.Fail(http.StatusUnprocessableEntity, "invalid_request", field.name+" is not valid for lists", "omit it; the settings of lists are in the field lists")
		}
	}
	return nil
}

// version returns a version, 0 for the live one. Whether it has data is checked when
// the backfill is created.
func (s *Service) version(ctx context.Context, id int64) (recsys.Version, error) {
	if id == 0 {
		live, err := s.Versions.Live(ctx)
		return live.Version, err
	}
	v, err := s.Versions.Version(ctx, id)
	if errors.Is(err, recsys.ErrNotFound) {
		return v, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", fmt.Sprintf("version %d does not exist", id), "see GET /versions")
	}
	return v, err
}

// planLists returns the plan of lists. A worker counts the users.
func (s *Service) planLists(ctx context.Context, n *ledger.NewBackfill) (apiclient.Plan, error) {
	var settings backfill.ListSettings
	if err := json.Unmarshal(n.Request, &settings); err != nil {
		return apiclient.Plan{}, err
	}
	request := workflows.PlanRequest{Lists: &activities.PlanListsInput{Version: n.Version, Settings: settings}}
	digest := sha256.Sum256(n.Request)
	out, err := s.askPlan(ctx, fmt.Sprintf("%s-v%d-%s", n.Kind, n.Version, hex.EncodeToString(digest[:4])), request)
	if err != nil {
		if app := (*temporal.ApplicationError)(nil); errors.As(err, &app) && (app.Type() == activities.DataInvalid || app.Type() == activities.VersionGone) {
			return apiclient.Plan{}, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", app.Message(), "correct the request and try again")
		}
		return apiclient.Plan{}, err
	}
	size, count := out.Lists, len(n.Windows)
	p := apiclient.Plan{
		Kind: n.Kind, Lists: &apiclient.ListsPlan{Version: n.Version, Users: size.Users, Bytes: size.Bytes},
		Run: count, Minutes: size.Minutes / float64(min(n.MaxParallel, count)), Windows: make([]apiclient.PlanWindow, count),
	}
	for i := range p.Windows {
		p.Windows[i] = apiclient.PlanWindow{
			Index: i, Decision: "run", Reason: "lists are always written", Rows: size.Users / int64(count), RowsEstimated: true,
			Bytes: size.Bytes / int64(count), Minutes: size.Minutes / float64(count),
		}
	}
	return p, nil
}
