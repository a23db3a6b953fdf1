package main

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

func TestRefresh_goes_live(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.request()
	release := s.hold()
	run := s.refresh(r)
	p := s.until(run, "progress of the training", func(p workflows.Progress) bool { return p.TrainTotal > 0 })
	require.Equal(t, 3, p.TrainDone)
	require.Equal(t, workflows.StageTrain, p.Stage)

	again, running, err := workflows.Start(t.Context(), s.temporal, "recflow", r)
	require.NoError(t, err)
	require.True(t, running, "the same request is the same run")
	require.Equal(t, run.GetRunID(), again.GetRunID())

	release()
	result, err := s.await(run)
	require.NoError(t, err)
	require.Equal(t, workflows.OutcomeLive, result.Outcome)
	require.Len(t, result.Gates, len(recsys.GateNames()))
	live, err := s.store.Live(t.Context())
	require.NoError(t, err)
	require.Equal(t, result.Version, live.Version.ID)
	require.Equal(t, result.RunID, live.Version.RunID)

	p, err = workflows.AskProgress(t.Context(), s.temporal, run.GetID(), run.GetRunID())
	require.NoError(t, err)
	require.Equal(t, p.RowsTotal, p.RowsLoaded)
	var stages []string
	for _, stage := range p.Stages {
		stages = append(stages, stage.Stage)
	}
	require.Equal(t, workflows.Stages(), stages)

	d, err := s.temporal.DescribeWorkflow(t.Context(), run.GetID(), run.GetRunID())
	require.NoError(t, err)
	attributes := d.TypedSearchAttributes
	outcome, _ := attributes.GetKeyword(workflows.OutcomeAttribute)
	version, _ := attributes.GetInt64(workflows.VersionAttribute)
	runID, _ := attributes.GetKeyword(workflows.RunIDAttribute)
	require.Equal(t, workflows.OutcomeLive, outcome)
	require.Equal(t, result.Version, version)
	require.Equal(t, result.RunID, runID)
}

func TestRefresh_does_not_promote_unless_requested(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	r := s.request()
	r.Promote = false
	result, err := s.await(s.refresh(r))
	require.NoError(t, err)
	require.Equal(t, workflows.OutcomeReady, result.Outcome)
	_, err = s.store.Live(t.Context())
	require.ErrorIs(t, err, recsys.ErrNoLiveVersion)
}

// requireFailure waits for the end of a run that must fail with an error of this type.
func (s *stage) requireFailure(r workflows.RefreshRequest, kind string) *temporal.ApplicationError {
	s.t.Helper()
	_, err := s.await(s.refresh(r))
	var app *temporal.ApplicationError
	require.ErrorAs(s.t, err, &app)
	require.Equal(s.t, kind, app.Type(), app.Message())
	return app
}

func TestRefresh_stops_at_a_gate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	before := s.refreshLive()
	s.use(small.changed(t, func(m *recsys.Manifest) { m.Parameters.Alpha = 4 }))

	err := s.requireFailure(s.request(), activities.GateRefused)
	require.Contains(t, err.Message(), recsys.GateFoldIn)
	var refused []recsys.GateResult
	require.NoError(t, err.Details(&refused))
	require.Equal(t, recsys.GateFoldIn, refused[0].Gate)

	live, liveErr := s.store.Live(t.Context())
	require.NoError(t, liveErr)
	require.Equal(t, before.Version, live.Version.ID)
	versions, listErr := s.store.VersionsBefore(t.Context(), 0, 1)
	require.NoError(t, listErr)
	require.Equal(t, recsys.Refused, versions[0].State)
	rows, _, _, countErr := s.store.CountRows(t.Context(), versions[0])
	require.NoError(t, countErr)
	require.EqualValues(t, small.items, rows, "the version is kept for inspection")

	accepted := s.request()
	accepted.AcceptGates = map[string]string{recsys.GateFoldIn: "the test wants it"}
	result, acceptErr := s.await(s.refresh(accepted))
	require.NoError(t, acceptErr)
	require.True(t, result.Live)
}

func TestRefresh_refuses_files_that_differ_from_the_manifest(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.use(small.changed(t, func(m *recsys.Manifest) { m.Files[1].SHA256 = strings.Repeat("0", 64) }))
	err := s.requireFailure(s.request(), activities.ManifestInvalid)
	require.Contains(t, err.Message(), "users/part-00000.parquet")

	s.use(small.changed(t, func(m *recsys.Manifest) { m.SchemaVersion = 2 }))
	s.requireFailure(s.request(), activities.ManifestInvalid)

	s.use(small.folder(t))
	s.refreshLive() // the worker is running
}

func TestRefresh_reports_why_the_training_failed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.writeControl("fail", "DataInvalid: null_ids: 3 events have no user; fix them")
	require.Contains(t, s.requireFailure(s.request(), activities.DataInvalid).Message(), "null_ids")
	s.writeControl("fail", "out of memory")
	require.Contains(t, s.requireFailure(s.request(), activities.GlueFailed).Message(), "out of memory")
}

func TestRefresh_cancelled_in_any_stage_leaves_nothing(t *testing.T) {
	t.Parallel()
	manifest := func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, "manifest.json") }
	parquet := func(req *http.Request) bool { return strings.HasSuffix(req.URL.Path, ".parquet") }
	for _, c := range []struct {
		stage string
		// block makes the stage wait until the returned function is called.
		block func(*stage) (release func())
		// the step cannot be interrupted: the cancellation takes effect after
		// it is released
		finishes bool
		outcome  string
	}{
		{stage: workflows.StagePrepare, block: (*stage).blockVersions, finishes: true},
		{stage: workflows.StageStart, block: (*stage).occupyJob},
		{stage: workflows.StageTrain, block: (*stage).hold},
		{stage: workflows.StageRead, block: func(s *stage) func() { return s.reads.close(manifest) }, finishes: true},
		{stage: workflows.StageCreate, block: (*stage).blockCreation, finishes: true},
		{stage: workflows.StageLoad, block: func(s *stage) func() { return s.reads.close(parquet) }},
		{stage: workflows.StageIndex, block: (*stage).blockIndex},
		{stage: workflows.StageVerify, block: (*stage).blockVerify},
		{stage: workflows.StagePromote, block: (*stage).blockPromotion, finishes: true, outcome: workflows.OutcomeLive},
		{stage: workflows.StagePrune, block: (*stage).blockPrune, outcome: workflows.OutcomeLive},
	} {
		t.Run(c.stage, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			release := c.block(s)
			run := s.refresh(s.request())
			s.until(run, c.stage, func(p workflows.Progress) bool { return p.Stage == c.stage })
			require.NoError(t, s.temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
			if c.finishes {
				release()
			}
			result, err := s.await(run)
			release()
			if c.outcome != "" {
				require.NoError(t, err, "a promotion that has begun completes, and the compensation does not undo it")
				require.Equal(t, c.outcome, result.Outcome)
				return
			}
			var canceled *temporal.CanceledError
			require.True(t, errors.As(err, &canceled), "%v", err)
			require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, s.status(run))
			_, err = s.store.Live(t.Context())
			require.ErrorIs(t, err, recsys.ErrNoLiveVersion)
		})
	}
}
