package backfills

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// refreshOutcome is the outcome of a refresh, the output with -o json.
type refreshOutcome struct {
	RunID    string              `json:"run_id"`
	Version  int64               `json:"version"` // 0: none
	State    recsys.State        `json:"state"`   // of the version
	Live     bool                `json:"live"`
	Outcome  string              `json:"outcome"`
	Detail   string              `json:"detail,omitempty"` // one sentence for people
	Checks   []recsys.Check      `json:"checks"`           // of the data, also those that passed
	Gates    []recsys.GateResult `json:"gates"`
	Dropped  []int64             `json:"dropped,omitempty"` // older versions that were dropped
	Metrics  recsys.Metrics      `json:"metrics"`
	Similar  *recsys.Similar     `json:"similar,omitempty"` // how the β of similar items was chosen
	Warning  string              `json:"warning,omitempty"` // popularity is as good
	Backfill apiclient.Backfill  `json:"backfill"`
}

// reportRefresh prints the outcome of a refresh: the data checks that did not pass,
// its gates, its metrics and, on a failure, the reason.
func reportRefresh(ctx context.Context, a *app.App, api *apiclient.Client, b apiclient.Backfill) error {
	var v apiclient.VersionReport
	var missing error // the outcome is printed even if its gates cannot be read
	if id := b.Windows[0].Version; id > 0 {
		if v, _, missing = api.Version(ctx, id); missing != nil {
			missing = fmt.Errorf("read the gates of version %d: %w", id, app.ExplainAPI(missing))
		}
	}
	o := newRefreshOutcome(b, v)
	failed := refreshError(b, o)
	if err := printOutcome(a, o, failed); err != nil {
		return err
	}
	return errors.Join(failed, missing)
}

func newRefreshOutcome(b apiclient.Backfill, v apiclient.VersionReport) refreshOutcome {
	s := b.Windows[0]
	o := refreshOutcome{RunID: s.RunID, Version: s.Version, State: v.State, Live: v.Live, Checks: v.Checks, Gates: v.Gates, Metrics: v.Metrics, Similar: v.Similar, Warning: output.PopularityWins(v.Metrics), Backfill: b}
	if p := s.Progress; p != nil && p.Outcome != "" {
		o.Outcome, o.Detail, o.Dropped, o.Live = p.Outcome, p.Detail, p.Dropped, p.Outcome == backfill.OutcomeLive
		return o
	}
	// Temporal no longer retains it, or no worker responds.
	switch {
	case s.State == backfill.Skipped:
		o.Detail = s.Reason
	case s.State == backfill.Cancelled:
		o.Outcome = backfill.OutcomeCancelled
	case o.State == recsys.Refused:
		o.Outcome = backfill.OutcomeRefused
	case s.State == backfill.Failed:
		o.Outcome, o.Detail = backfill.OutcomeFailed, s.Error
	case o.Live:
		o.Outcome = backfill.OutcomeLive
	default:
		o.Outcome = backfill.OutcomeReady
	}
	return o
}

func printOutcome(a *app.App, o refreshOutcome, failed error) error {
	gates := output.Gates(o.Gates)
	if a.Output != "table" {
		if failed != nil && len(o.Gates) == 0 && a.Output == "csv" {
			return nil // there is only the error to print
		}
		gates.JSON = o
		return a.Print(gates)
	}
	if checks := output.Checks(o.Checks); len(checks.Rows) > 0 {
		a.PrintSection("data checks that did not pass", checks)
		fmt.Fprintln(a.Out)
	}
	a.PrintSection("gates", gates)
	if len(o.Metrics.Candidate) > 0 {
		fmt.Fprintln(a.Out)
		a.PrintSection(fmt.Sprintf("metrics on %d hold-out users, with 95 %% intervals", o.Metrics.Users), output.Metrics(o.Metrics))
	}
	if title, comparison := output.Similar(o.Similar); title != "" {
		fmt.Fprintln(a.Out)
		a.PrintSection(title, comparison)
	}
	if o.Warning != "" {
		fmt.Fprintln(a.Out, "\n"+o.Warning)
	}
	if failed == nil {
		fmt.Fprintln(a.Out, "\n"+outcomeText(o))
	}
	return nil
}

func outcomeText(o refreshOutcome) string {
	text := cmp.Or(o.Detail, fmt.Sprintf("version %d is %s", o.Version, cmp.Or(o.Outcome, string(o.State))))
	if o.Outcome == backfill.OutcomeReady || o.Outcome == backfill.OutcomeSuperseded {
		text = fmt.Sprintf("version %d is ready, not live: %s; promote it with `recflow versions promote %[1]d`", o.Version, text)
	}
	return text
}

// refreshError returns the error of a refresh that did not succeed.
func refreshError(b apiclient.Backfill, o refreshOutcome) error {
	s := b.Windows[0]
	switch {
	case b.State == backfill.Cancelled:
		return fmt.Errorf("the refresh %w; the live version has not changed", errBackfillCancelled)
	case s.State == backfill.Skipped && s.Reason == backfill.NoEvents:
		return fmt.Errorf("%s: import some with `recflow import`", s.Reason)
	case b.State == backfill.Succeeded:
		return nil
	}
	message := cmp.Or(s.Error, b.Error, "the refresh failed")
	message = strings.NewReplacer(": rule ", ":\n  rule ", "; rule ", "\n  rule ").Replace(message) // one line per rule
	if o.State != recsys.Refused {
		return errors.New(message)
	}
	return app.ExitError{Code: app.ExitRefused, Err: fmt.Errorf("%s; inspect it with `recflow versions show %d`", message, o.Version)}
}
