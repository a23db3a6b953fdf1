package backfills

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/workflows"
)

// describe maps a backfill to its public form, with its links and its estimated end.
func (s *Service) describe(b backfill.Backfill) apiclient.Backfill {
	out := apiclient.Backfill{Backfill: b, TemporalUI: s.Settings.WorkflowLink(b.WorkflowID, ""), ETA: eta(b, usual(b), time.Now())}
	for _, window := range b.Windows {
		out.Windows = append(out.Windows, apiclient.Window{Window: window, TemporalUI: s.Settings.WorkflowLink(window.WorkflowID, window.WorkflowRunID)})
	}
	out.Backfill.Windows = nil
	if b.Kind == backfill.Lists && b.State == backfill.Succeeded {
		out.Manifest = backfill.ListsManifestKey(backfill.ListsRunID(b))
	}
	out.Request = parametersOf(b.Request)
	return out
}

// parametersOf returns the training parameters for callers, without the end, which
// is that of the window. The ledger stores the bytes with a zero end, because their
// digest identifies earlier backfills with the same parameters.
func parametersOf(request json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(request, &fields) != nil {
		return request
	}
	delete(fields, "to")
	shown, err := json.Marshal(fields)
	if err != nil {
		return request
	}
	return shown
}

// usual returns the median duration of the windows of b that succeeded, 0 if there
// are none.
func usual(b backfill.Backfill) time.Duration {
	var took []time.Duration
	for _, s := range b.Windows {
		if s.State == backfill.Succeeded {
			took = append(took, s.EndedAt.Sub(s.StartedAt))
		}
	}
	return median(took)
}

func median(of []time.Duration) time.Duration {
	if len(of) == 0 {
		return 0
	}
	slices.Sort(of)
	return of[len(of)/2]
}

// eta estimates the end of a backfill whose windows take usual each. It is zero if
// the backfill is over or usual is unknown.
func eta(b backfill.Backfill, usual time.Duration, now time.Time) time.Time {
	left := 0
	for _, s := range b.Windows {
		if s.State == backfill.Pending || s.State == backfill.Running {
			left++
		}
	}
	if b.Over() || usual <= 0 || left == 0 {
		return time.Time{}
	}
	rounds := (left + b.MaxParallel - 1) / b.MaxParallel
	return now.Add(time.Duration(rounds) * usual).UTC().Truncate(time.Second)
}

// pastRuns is the number of earlier versions that an estimate uses.
const pastRuns = 20

// addETA estimates the end of the running windows and of the backfill. Before the
// first window has ended, the estimate uses earlier versions.
func (s *Service) addETA(ctx context.Context, b *apiclient.Backfill) error {
	if b.Over() {
		return nil
	}
	ledger := b.Backfill
	for _, window := range b.Windows {
		ledger.Windows = append(ledger.Windows, window.Window)
	}
	takes := usual(ledger)
	if takes == 0 && b.Kind != backfill.Lists {
		past, err := s.Ledger.PastRuns(ctx, pastRuns)
		if err != nil {
			return err
		}
		var took []time.Duration
		for _, p := range past {
			took = append(took, p.ReadyAt.Sub(p.StoredTo))
		}
		takes = median(took)
	}
	now := time.Now()
	b.ETA = eta(ledger, takes, now)
	for i := range b.Windows {
		window := &b.Windows[i]
		if window.State == backfill.Running && takes > 0 {
			window.ETA = later(window.StartedAt.Add(takes), now).UTC().Truncate(time.Second)
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// progressTimeout bounds the query for the progress of a training. The response is
// useful without the progress.
const progressTimeout = time.Second

// addProgress queries the progress of running windows, and of the ended window of a
// refresh.
func (s *Service) addProgress(ctx context.Context, b *apiclient.Backfill) {
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	var group sync.WaitGroup
	for i := range b.Windows {
		window := &b.Windows[i]
		if window.State != backfill.Running && (b.Kind != backfill.Refresh || window.EndedAt.IsZero() || window.WorkflowID == "") {
			continue
		}
		group.Go(func() {
			p, err := workflows.AskProgress(ctx, s.Temporal, window.WorkflowID, window.WorkflowRunID)
			if err != nil {
				return
			}
			window.RunID, window.WorkflowRunID = p.RunID, p.WorkflowRunID
			window.TemporalUI = s.Settings.WorkflowLink(window.WorkflowID, window.WorkflowRunID)
			window.Progress = new(progressOf(p))
		})
	}
	group.Wait()
}

// progressOf maps the progress of a refresh to its public form.
func progressOf(p workflows.Progress) apiclient.Progress {
	return apiclient.Progress{Stage: p.Stage, Detail: p.Detail, Outcome: p.Outcome, GlueRunID: p.GlueRunID, TrainDone: p.TrainDone, TrainTotal: p.TrainTotal,
		RowsLoaded: p.RowsLoaded, RowsTotal: p.RowsTotal, IndexPercent: p.IndexPercent, Dropped: p.Dropped,
		Stages: rest.MapEach(p.Stages, func(s workflows.StageProgress) apiclient.StageProgress {
			return apiclient.StageProgress{Stage: s.Stage, StartedAt: s.StartedAt, EndedAt: s.EndedAt, Detail: s.Detail}
		}),
	}
}
