package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// describe is what the ledger says of a backfill, with what follows from it.
func (s *server) describe(b recsys.Backfill) apiclient.Backfill {
	out := apiclient.Backfill{Backfill: b, TemporalUI: s.workflowLink(b.WorkflowID, ""), ETA: eta(b, time.Now())}
	for _, slice := range b.Slices {
		out.Slices = append(out.Slices, apiclient.Slice{Slice: slice, TemporalUI: s.workflowLink(slice.WorkflowID, slice.WorkflowRunID)})
	}
	out.Backfill.Slices = nil
	return out
}

// workflowLink is the page of a workflow in the Temporal UI, or empty.
func (s *server) workflowLink(id, runID string) string {
	if id == "" || s.config.Temporal.UI == "" {
		return ""
	}
	link := fmt.Sprintf("%s/namespaces/%s/workflows/%s", strings.TrimSuffix(s.config.Temporal.UI, "/"), s.config.Temporal.Namespace, id)
	if runID != "" {
		link += "/" + runID
	}
	return link
}

// eta judges by the median of the slices that succeeded. It is zero for a
// backfill that is over, and before the first slice is.
func eta(b recsys.Backfill, now time.Time) time.Time {
	var took []time.Duration
	left := 0
	for _, s := range b.Slices {
		switch s.State {
		case recsys.SliceSucceeded:
			took = append(took, s.EndedAt.Sub(s.StartedAt))
		case recsys.SlicePending, recsys.SliceRunning:
			left++
		}
	}
	if b.Over() || len(took) == 0 || left == 0 {
		return time.Time{}
	}
	slices.SortFunc(took, cmp.Compare)
	rounds := (left + b.MaxParallel - 1) / b.MaxParallel
	return now.Add(time.Duration(rounds) * took[len(took)/2]).UTC().Truncate(time.Second)
}

// askTimeout bounds the wait for a training to say how far it is: the answer is
// of use without it.
const askTimeout = time.Second

// addProgress asks the slices that run how far they are.
func (s *server) addProgress(ctx context.Context, of []apiclient.Slice) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var group sync.WaitGroup
	for i := range of {
		if of[i].State != recsys.SliceRunning {
			continue
		}
		group.Go(func() {
			p, err := workflows.AskProgress(ctx, s.temporal, of[i].WorkflowID, "")
			if err != nil {
				return
			}
			of[i].RunID = p.RunID
			of[i].Progress = &apiclient.Progress{Stage: p.Stage, Detail: p.Detail, GlueRunID: p.GlueRunID, TrainDone: p.TrainDone, TrainTotal: p.TrainTotal,
				RowsLoaded: p.RowsLoaded, RowsTotal: p.RowsTotal, IndexPercent: p.IndexPercent}
		})
	}
	group.Wait()
}
