package backfills

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/progress"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

func TestRefreshFlags(t *testing.T) {
	complete := func(set func(*refreshFlags)) (workflows.RefreshRequest, error) {
		f := refreshFlags{request: workflows.DefaultRefresh(time.Now())}
		set(&f)
		err := f.complete()
		return f.request, err
	}
	t.Run("it asks for everything, promoted, by default", func(t *testing.T) {
		r, err := complete(func(*refreshFlags) {})
		require.NoError(t, err)
		assert.True(t, r.Promote)
		assert.True(t, r.From.IsZero())
		assert.Nil(t, r.Search)
		assert.Contains(t, r.Actor, "cli")
	})
	t.Run("it reads times, ages, overrides and the search", func(t *testing.T) {
		r, err := complete(func(f *refreshFlags) {
			f.from, f.to, f.halfLife, f.noPromote, f.index = "2017-01-01", "2017-12-04T12:00:00+01:00", "90d", true, true
			f.accept, f.reason = []string{"quality", "rows"}, "moved house"
		})
		require.NoError(t, err)
		assert.Equal(t, time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), r.From)
		assert.Equal(t, time.Date(2017, 12, 4, 11, 0, 0, 0, time.UTC), r.To)
		assert.Equal(t, 90*24*3600., r.Interest.HalfLifeSeconds)
		assert.False(t, r.Promote)
		assert.Equal(t, map[string]string{"quality": "moved house", "rows": "moved house"}, r.AcceptGates)
		assert.Equal(t, recsys.HNSW, r.Search.Method)
		assert.Equal(t, 48, r.Search.M)
	})
	for name, set := range map[string]func(*refreshFlags){
		"a time that is none":    func(f *refreshFlags) { f.to = "yesterday" },
		"an age that is none":    func(f *refreshFlags) { f.halfLife = "-3d" },
		"an empty range":         func(f *refreshFlags) { f.from, f.to = "2018-01-01", "2017-01-01" },
		"a gate there is not":    func(f *refreshFlags) { f.accept, f.reason = []string{"golden"}, "why not" },
		"a rank out of bounds":   func(f *refreshFlags) { f.request.Rank = 5000 },
		"a regularisation of -1": func(f *refreshFlags) { f.request.Regularization = -1 },
	} {
		t.Run("it refuses "+name, func(t *testing.T) {
			_, err := complete(set)
			assert.Error(t, err)
		})
	}
}

func TestStageDisplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out harnesstest.Buffer
		d := &stageDisplay{printer: progress.New(&out).Calm(lineEvery)}
		d.update(workflows.Progress{}) // no worker has answered yet
		p := workflows.Progress{
			Stage: workflows.StageTrain, Detail: "fit 1 of 12", TrainDone: 1, TrainTotal: 12,
			Stages: []workflows.StageProgress{{Stage: workflows.StagePrepare}, {Stage: workflows.StageTrain, Detail: "fit 1 of 12"}},
		}
		d.update(p)
		time.Sleep(lineEvery + time.Second) //nolint:forbidigo // on the fake clock of synctest
		p.Stages[1].Detail = "trained"
		p.Stages = append(p.Stages, workflows.StageProgress{Stage: workflows.StageLoad, Detail: "9 of 9 files, 90 of 90 rows"})
		d.update(p)
		p.Outcome, p.Detail = workflows.OutcomeLive, "version 1 is live"
		d.update(p)
		d.finish(true)
		d.finish(true) // ends once
		assert.Equal(t, strings.Join([]string{
			"… refresh: waiting for a worker",
			"✓ refresh   a worker has it",
			"✓ prepare   done",
			"… train: fit 1 of 12 · 5s",
			"✓ train     trained · 6s",
			"✓ load      9 of 9 files, 90 of 90 rows",
			"",
		}, "\n"), out.String(), "it says each thing once, with calm in between")
	})
}

func TestOutcome(t *testing.T) {
	for want, r := range map[string]workflows.RefreshResult{
		"version 3 is live": {Version: 3, State: recsys.Ready, Live: true, Detail: "version 3 is live"},
		"version 3 is ready, not live: promotion was not asked for; make it live with `recflow versions promote 3`": {Version: 3, State: recsys.Ready, Detail: "promotion was not asked for"},
	} {
		assert.Equal(t, want, outcomeText(r), "it says what became of the version, once")
	}
	t.Run("it names a dead Spark, with the log", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log", activities.SparkDied, nil)
		assert.EqualError(t, refreshError(err, 0), "SparkDied: train: Glue run jr_1 ended as FAILED: the Spark JVM died. Log: /runs/jr_1/output.log")
	})
	t.Run("it gives every failed rule a line", func(t *testing.T) {
		err := temporal.NewNonRetryableApplicationError("train: rule nulls: 2 rows; drop them; rule time_range: 3 rows; mend them", activities.DataInvalid, nil)
		assert.EqualError(t, refreshError(err, 0), "DataInvalid: train:\n  rule nulls: 2 rows; drop them\n  rule time_range: 3 rows; mend them")
	})
}
