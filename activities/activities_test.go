package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// steps is activities and their database.
type steps struct {
	*Activities
	Store *postgrestest.Store
}

// setup returns activities on a real store, bucket and Glue endpoint, with the
// interceptor of the worker.
func setup(t *testing.T, o gluetest.Options) (steps, *gluetest.Endpoint, *testsuite.TestActivityEnvironment) {
	t.Helper()
	endpoint := gluetest.New(t, o)
	s := postgrestest.New(t)
	a := &Activities{
		Versions: s.VersionStore, Embeddings: s.EmbeddingStore, Search: recommend.NewSlot(s.EmbeddingStore, 1<<30), Events: s.EventStore, Ledger: s.LedgerStore, S3: awstest.S3(t), Glue: endpoint.Client(t),
		PollEvery: 20 * time.Millisecond, LoadParallel: 2, TempDir: t.TempDir(),
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{Edge(a, time.Minute)}})
	env.RegisterActivity(a)
	return steps{a, s}, endpoint, env
}

// requireType checks the Temporal type of an error, and whether it is
// retryable.
func requireType(t *testing.T, err error, kind string, final bool) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, kind, app.Type(), app.Message())
	require.Equal(t, final, app.NonRetryable())
	return app
}

func TestTranslate_makes_permanent_errors_final(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		kind string
	}{
		{recsys.ErrManifestInvalid, ManifestInvalid},
		{recsys.ErrGateRefused, GateRefused},
		{recsys.ErrDataInvalid, DataInvalid},
		{recsys.ErrVersionGone, VersionGone},
		{recsys.ErrConflict, Conflict},
	} {
		got := translate(t.Context(), fmt.Errorf("load file 3: %w", c.err))
		requireType(t, got, c.kind, true)
		require.ErrorContains(t, got, "load file 3")
	}
	require.NoError(t, translate(t.Context(), nil))
	plain := errors.New("no database")
	require.Equal(t, plain, translate(t.Context(), plain), "worth another attempt")
	fenced := fmt.Errorf("copy: %w", recsys.ErrFenced)
	require.Equal(t, fenced, translate(t.Context(), fenced), "worth another attempt")
}

func TestTranslate_reports_why_a_step_was_cancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopping)
	requireType(t, translate(ctx, recsys.ErrManifestInvalid), workerStopping, false)

	cancelled, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, translate(cancelled, errors.New("57014")), context.Canceled)
}

func TestStartGlueRun_starts_once(t *testing.T) {
	t.Parallel()
	a, endpoint, env := setup(t, gluetest.Options{})
	in := StartGlueRunInput{RunID: "run-1", To: time.Unix(1, 0), Requested: time.Unix(100, 0), Training: recsys.Training{Rank: 8}, Interest: recsys.DefaultInterest()}
	var first, second StartGlueRunResult
	value, err := env.ExecuteActivity(a.StartGlueRun, in)
	require.NoError(t, err)
	require.NoError(t, value.Get(&first))
	value, err = env.ExecuteActivity(a.StartGlueRun, in)
	require.NoError(t, err)
	require.NoError(t, value.Get(&second))
	require.False(t, first.Adopted)
	require.True(t, second.Adopted)
	require.Equal(t, first.GlueRunID, second.GlueRunID)
	require.Equal(t, 1, endpoint.Faults.Calls("StartJobRun"))
}

// A refresh that is reset in Temporal has the same run id and another workflow run: it
// trains again instead of adopting the run that failed.
func TestStartGlueRun_adopts_no_failed_run_of_another_workflow(t *testing.T) {
	t.Parallel()
	a, endpoint, env := setup(t, gluetest.Options{Script: "import sys\nsys.exit(1)"})
	in := StartGlueRunInput{RunID: "run-1", To: time.Unix(1, 0), Requested: time.Unix(100, 0)}
	ended := func(id string) {
		harnesstest.Eventually(t, "the run to end", func() bool {
			run, err := a.Glue.Get(t.Context(), id)
			return err == nil && run.State.Over()
		})
	}
	start := func() (out StartGlueRunResult) {
		value, err := env.ExecuteActivity(a.StartGlueRun, in)
		require.NoError(t, err)
		require.NoError(t, value.Get(&out))
		ended(out.GlueRunID)
		return out
	}
	before, err := a.Glue.Start(t.Context(), map[string]string{awsclient.RunIDArgument: in.RunID, awsclient.OwnerArgument: "refresh/before-the-reset"})
	require.NoError(t, err)
	ended(before)
	first, second := start(), start()
	require.NotEqual(t, before, first.GlueRunID)
	require.False(t, first.Adopted)
	require.Equal(t, StartGlueRunResult{GlueRunID: first.GlueRunID, Adopted: true}, second, "its own failure is the result of the training")
	require.Equal(t, 2, endpoint.Faults.Calls("StartJobRun"))
}

func TestTrainingArguments_name_only_what_was_requested(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]string{"--trainer": "auto", "--seed": "0"}, trainingArguments(recsys.Training{}))
	all := recsys.Training{Trainer: recsys.ALS, Rank: 8, Iterations: 3, Alpha: 0.25, Regularization: 1e-7, RegularizationExponent: new(0.0), Seed: -1}
	require.Equal(t, map[string]string{
		"--trainer": "als", "--rank": "8", "--iterations": "3", "--alpha": "0.25", "--regularization": "1e-07",
		"--regularization_exponent": "0", "--seed": "-1",
	}, trainingArguments(all))
}

func TestStartGlueRun_waits_for_a_busy_job(t *testing.T) {
	t.Parallel()
	a, endpoint, env := setup(t, gluetest.Options{})
	endpoint.Faults.Refuse("StartJobRun", 1, 400, "ConcurrentRunsExceededException")
	_, err := env.ExecuteActivity(a.StartGlueRun, StartGlueRunInput{RunID: "run-1"})
	app := requireType(t, err, glueBusy, false)
	require.Equal(t, 3*a.PollEvery, app.NextRetryDelay())
}

func TestStartGlueRun_does_not_retry_a_permanent_error(t *testing.T) {
	t.Parallel()
	a, endpoint, env := setup(t, gluetest.Options{})
	endpoint.Faults.Refuse("StartJobRun", 1, 400, "AccessDeniedException")
	_, err := env.ExecuteActivity(a.StartGlueRun, StartGlueRunInput{RunID: "run-1"})
	requireType(t, err, GlueFailed, true)
}

func TestAwaitGlueRun_distinguishes_bad_data_from_a_failed_run(t *testing.T) {
	t.Parallel()
	for message, kind := range map[string]string{
		"DataInvalid: no users": DataInvalid, "out of memory": GlueFailed, "SparkDied: the Spark JVM died": SparkDied,
		"Failed Line Number: 20; DataInvalid: no users": DataInvalid, "Failed Line Number: 7; KeyError: x": GlueFailed,
	} {
		a, _, env := setup(t, gluetest.Options{Script: fmt.Sprintf("import sys\nprint('RECFLOW_ERROR %s', file=sys.stderr)\nsys.exit(1)", message)})
		id, err := a.Glue.Start(t.Context(), map[string]string{"--run_id": "run-1"})
		require.NoError(t, err)
		_, err = env.ExecuteActivity(a.AwaitGlueRun, AwaitGlueRunInput{RunID: "run-1", GlueRunID: id})
		app := requireType(t, err, kind, true)
		require.Equal(t, kind != DataInvalid, strings.HasPrefix(app.Message(), "Glue run "+id+" ended as FAILED: "), app.Message())
		require.NotContains(t, app.Message(), kind+": ", "the type replaces the prefix")
		require.NotContains(t, app.Message(), "Error Category")
		require.NotContains(t, app.Message(), "Line Number")
	}
	a, _, env := setup(t, gluetest.Options{})
	_, err := env.ExecuteActivity(a.AwaitGlueRun, AwaitGlueRunInput{RunID: "run-1", GlueRunID: "jr_unknown"})
	requireType(t, err, GlueFailed, true)
}

func TestAwaitGlueRun_gives_up_when_Glue_refuses_to_report(t *testing.T) {
	t.Parallel()
	a, endpoint, env := setup(t, gluetest.Options{Script: "import time\ntime.sleep(600)"})
	a.PollEvery = time.Millisecond
	id, err := a.Glue.Start(t.Context(), map[string]string{"--run_id": "run-1"})
	require.NoError(t, err)
	for n := range maxRefusedPolls {
		endpoint.Faults.Refuse("GetJobRun", n+1, 400, "AccessDeniedException")
	}
	_, err = env.ExecuteActivity(a.AwaitGlueRun, AwaitGlueRunInput{RunID: "run-1", GlueRunID: id})
	require.Contains(t, requireType(t, err, GlueFailed, true).Message(), "correct the cause, for example the worker's role")
	require.Equal(t, maxRefusedPolls, endpoint.Faults.Calls("GetJobRun"))
}

func TestTrainingNote_limits_what_the_job_reports(t *testing.T) {
	t.Parallel()
	a, _, _ := setup(t, gluetest.Options{})
	in := AwaitGlueRunInput{RunID: "run-1", GlueRunID: "jr_1"}
	key := recsys.RunPrefix("run-1") + progressObject
	require.Equal(t, Note{GlueRunID: "jr_1", Detail: "running"}, a.trainingNote(t.Context(), in, "RUNNING"))

	require.NoError(t, a.S3.Put(t.Context(), key, strings.NewReader(`{"stage":"train","done":3,"total":12}`)))
	require.Equal(t, Note{GlueRunID: "jr_1", Detail: "train", Done: 3, Total: 12}, a.trainingNote(t.Context(), in, "RUNNING"))

	require.NoError(t, a.S3.Put(t.Context(), key, strings.NewReader("{"+strings.Repeat(" ", maxProgressBytes))))
	require.Equal(t, "running", a.trainingNote(t.Context(), in, "RUNNING").Detail)
}

func TestReadManifest_refuses_a_run_without_one(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	_, err := env.ExecuteActivity(a.ReadManifest, ReadManifestInput{RunID: "run-1"})
	requireType(t, err, ManifestInvalid, true)
	require.NoError(t, a.S3.Put(t.Context(), recsys.ManifestKey("run-1"), strings.NewReader("{}")))
	_, err = env.ExecuteActivity(a.ReadManifest, ReadManifestInput{RunID: "run-1"})
	requireType(t, err, ManifestInvalid, true)
}

// To a role that may not list the bucket, S3 reports a missing object as 403.
func TestMissingObjects_without_permission_to_list(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	a.S3 = awstest.Unlisted(t)
	_, err := env.ExecuteActivity(a.ReadManifest, ReadManifestInput{RunID: "run-1"})
	require.ErrorContains(t, err, "embeddings/run=run-1/manifest.json is missing, or the worker's role lacks")
	v, err := a.Store.CreateVersion(t.Context(), versions.NewVersion{Manifest: postgrestest.Manifest(t, postgrestest.Fixture{Items: 20, Users: 20})})
	require.NoError(t, err)
	_, err = env.ExecuteActivity(a.LoadFile, LoadFileInput{Version: v.ID, File: 0})
	require.ErrorContains(t, err, "is missing, or the worker's role lacks")

	refused := errors.New("403")
	require.NotErrorIs(t, forbidden(forbiddenAttempts-1, "k", refused), recsys.ErrManifestInvalid, "a permission takes a while to be effective")
	require.ErrorIs(t, forbidden(forbiddenAttempts, "k", refused), recsys.ErrManifestInvalid)
}

func TestLoadFile_rejects_a_missing_file(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	m := postgrestest.Manifest(t, postgrestest.Fixture{Items: 20, Users: 20})
	v, err := a.Store.CreateVersion(t.Context(), versions.NewVersion{Manifest: m})
	require.NoError(t, err)

	_, err = env.ExecuteActivity(a.LoadFile, LoadFileInput{Version: v.ID, File: 0})
	require.Contains(t, requireType(t, err, ManifestInvalid, true).Message(), "is not in the bucket")
	_, err = env.ExecuteActivity(a.LoadFile, LoadFileInput{Version: v.ID, File: len(m.Files)})
	requireType(t, err, ManifestInvalid, true)

	require.NoError(t, a.Store.Fail(t.Context(), v.ID, "dropped by the test"))
	_, err = env.ExecuteActivity(a.LoadFile, LoadFileInput{Version: v.ID, File: 0})
	require.Contains(t, requireType(t, err, VersionGone, true).Message(), "dropped by the test")
	_, err = env.ExecuteActivity(a.BuildIndexes, BuildIndexesInput{Version: v.ID})
	requireType(t, err, VersionGone, true)
}

func TestDropVersion_drops_only_incomplete_versions(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	loading := postgrestest.Build(t, a.Store, postgrestest.Fixture{RunID: "loading", Items: 20, Users: 20, Loading: true})
	ready := postgrestest.Build(t, a.Store, postgrestest.Fixture{RunID: "ready", Items: 20, Users: 20})
	for range 2 {
		for _, run := range []string{"loading", "ready", "unknown"} {
			_, err := env.ExecuteActivity(a.DropVersion, DropVersionInput{RunID: run, Reason: "because"})
			require.NoError(t, err)
		}
	}
	v, err := a.Store.Version(t.Context(), loading.ID)
	require.NoError(t, err)
	require.Equal(t, recsys.Failed, v.State)
	require.Equal(t, "because", v.Failure)
	v, err = a.Store.Version(t.Context(), ready.ID)
	require.NoError(t, err)
	require.Equal(t, recsys.Ready, v.State)
}

func TestOwners_follow_a_workflow_through_its_resets(t *testing.T) {
	t.Parallel()
	c := &mocks.Client{}
	describe := func(run string, status enumspb.WorkflowExecutionStatus, resetTo string) {
		c.On("DescribeWorkflowExecution", mock.Anything, "w", run).Return(&workflowservice.DescribeWorkflowExecutionResponse{
			WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{RunId: run}, Status: status},
			WorkflowExtendedInfo:  &workflowpb.WorkflowExecutionExtendedInfo{ResetRunId: resetTo},
		}, nil).Once()
	}
	describe("running", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, "")
	describe("terminated", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "")
	describe("reset", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "reset-again")
	describe("reset-again", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "now")
	describe("now", enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, "")
	c.On("DescribeWorkflowExecution", mock.Anything, "w", "expired").Return(nil, serviceerror.NewNotFound("")).Once()
	c.On("DescribeWorkflowExecution", mock.Anything, "w", "outage").Return(nil, serviceerror.NewUnavailable("")).Once()

	owners := (&Activities{Temporal: c}).owners()
	for run, want := range map[string]bool{"running": true, "terminated": false, "reset": true, "expired": false} {
		for range 2 { // looked up once, then cached
			got, err := owners.running(t.Context(), versions.Owner{WorkflowID: "w", RunID: run})
			require.NoError(t, err)
			require.Equal(t, want, got, run)
		}
	}
	_, err := owners.running(t.Context(), versions.Owner{WorkflowID: "w", RunID: "outage"})
	require.Error(t, err, "it cleans up nothing while an owner's state is unknown")
}

func TestOwnerArgument_is_read_back(t *testing.T) {
	t.Parallel()
	o := versions.Owner{WorkflowID: "refresh-all/1", RunID: "r"}
	got, ok := parseOwner(ownerArgument(o))
	require.True(t, ok)
	require.Equal(t, o, got)
	_, ok = parseOwner("")
	require.False(t, ok)
}
