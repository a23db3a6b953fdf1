package glue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsglue "github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/glue"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
)

func sdk(e *gluetest.Endpoint) *awsglue.Client {
	return awsglue.New(awsglue.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(e.URL()),
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
		Retryer:     aws.NopRetryer{},
	})
}

func TestGetJobRuns_pages_newest_first_while_runs_start(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: "", Job: glue.Job{MaxConcurrentRuns: 100}})
	c, ctx := e.Client(t), t.Context()
	var want []string
	start := func() {
		id, err := c.Start(ctx, map[string]string{"--run_id": fmt.Sprint(len(want))})
		require.NoError(t, err)
		want = append([]string{id}, want...)
	}
	for range 7 {
		start()
	}
	expected := want
	var got []string
	pages := awsglue.NewGetJobRunsPaginator(sdk(e), &awsglue.GetJobRunsInput{JobName: aws.String(gluetest.JobName), MaxResults: aws.Int32(3)})
	sizes := []int{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		sizes = append(sizes, len(page.JobRuns))
		for _, r := range page.JobRuns {
			got = append(got, *r.Id)
		}
		start() // does not move the remaining runs
	}
	require.Equal(t, []int{3, 3, 1}, sizes)
	require.Equal(t, expected, got)

	r, err := c.FindRun(ctx, "4")
	require.NoError(t, err)
	require.Equal(t, expected[2], r.ID)
}

func TestGetJob_describes_the_job(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Job: glue.Job{MaxConcurrentRuns: 3, DefaultArguments: map[string]string{"--a": "b"}}})
	out, err := sdk(e).GetJob(t.Context(), &awsglue.GetJobInput{JobName: aws.String(gluetest.JobName)})
	require.NoError(t, err)
	require.EqualValues(t, 3, out.Job.ExecutionProperty.MaxConcurrentRuns)
	require.EqualValues(t, 480, *out.Job.Timeout)
	require.Equal(t, map[string]string{"--a": "b"}, out.Job.DefaultArguments)
}

func TestAPI_returns_the_errors_of_AWS(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script})
	c, ctx, name := sdk(e), t.Context(), aws.String(gluetest.JobName)

	calls := map[string]struct {
		call func(context.Context) error
		want smithy.APIError
	}{
		"an unknown run": {func(ctx context.Context) error {
			_, err := c.GetJobRun(ctx, &awsglue.GetJobRunInput{JobName: name, RunId: aws.String("jr_x")})
			return err
		}, &types.EntityNotFoundException{}},
		"an unknown job": {func(ctx context.Context) error {
			_, err := c.GetJobRuns(ctx, &awsglue.GetJobRunsInput{JobName: aws.String("x")})
			return err
		}, &types.EntityNotFoundException{}},
		"a page that is too large": {func(ctx context.Context) error {
			_, err := c.GetJobRuns(ctx, &awsglue.GetJobRunsInput{JobName: name, MaxResults: aws.Int32(201)})
			return err
		}, &types.InvalidInputException{}},
		"a made-up token": {func(ctx context.Context) error {
			_, err := c.GetJobRuns(ctx, &awsglue.GetJobRunsInput{JobName: name, NextToken: aws.String("x")})
			return err
		}, &types.InvalidInputException{}},
		"a negative timeout": {func(ctx context.Context) error {
			_, err := c.StartJobRun(ctx, &awsglue.StartJobRunInput{JobName: name, Timeout: aws.Int32(-1)})
			return err
		}, &types.InvalidInputException{}},
		"a zero byte": {func(ctx context.Context) error {
			_, err := c.StartJobRun(ctx, &awsglue.StartJobRunInput{JobName: name, Arguments: map[string]string{"--a": "\x00"}})
			return err
		}, &types.InvalidInputException{}},
		"an argument that is too long": {func(ctx context.Context) error {
			_, err := c.StartJobRun(ctx, &awsglue.StartJobRunInput{JobName: name, Arguments: map[string]string{"--a": strings.Repeat("x", 200<<10)}})
			return err
		}, &types.InvalidInputException{}},
		"a request that is too long": {func(ctx context.Context) error {
			_, err := c.StartJobRun(ctx, &awsglue.StartJobRunInput{JobName: name, Arguments: map[string]string{"--a": strings.Repeat("x", 2<<20)}})
			return err
		}, &types.InvalidInputException{}},
		"an unsupported operation": {func(ctx context.Context) error {
			_, err := c.GetTables(ctx, &awsglue.GetTablesInput{DatabaseName: aws.String("d")})
			return err
		}, &smithy.GenericAPIError{Code: "UnknownOperationException"}},
	}
	for what, tc := range calls {
		err := tc.call(ctx)
		var got smithy.APIError
		require.True(t, errors.As(err, &got), "%s: %v", what, err)
		require.Equal(t, tc.want.ErrorCode(), got.ErrorCode(), what)
		require.NotEmpty(t, got.ErrorMessage(), what)
		require.IsType(t, tc.want, got, what)
	}
}

func TestBatchStopJobRun_returns_a_result_for_each_run(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{Script: script, Job: glue.Job{MaxConcurrentRuns: 2}})
	c := e.Client(t)
	over, err := c.Start(t.Context(), do("succeed"))
	require.NoError(t, err)
	awaitOver(t, c, over)
	running, err := c.Start(t.Context(), do("wait"))
	require.NoError(t, err)

	out, err := sdk(e).BatchStopJobRun(t.Context(), &awsglue.BatchStopJobRunInput{
		JobName: aws.String(gluetest.JobName), JobRunIds: []string{running, over, "jr_x"},
	})
	require.NoError(t, err)
	require.Len(t, out.SuccessfulSubmissions, 1)
	require.Equal(t, running, *out.SuccessfulSubmissions[0].JobRunId)
	require.Len(t, out.Errors, 2)
	require.Equal(t, "InvalidInputException", *out.Errors[0].ErrorDetail.ErrorCode)
	require.Equal(t, "EntityNotFoundException", *out.Errors[1].ErrorDetail.ErrorCode)
	require.EqualValues(t, glue.Stopped, awaitOver(t, c, running).State)
}

func TestAPI_rejects_requests_of_web_pages(t *testing.T) {
	t.Parallel()
	e := gluetest.New(t, gluetest.Options{})
	for what, change := range map[string]func(*http.Request){
		"a form":               func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		"a name padded to fit": func(r *http.Request) { r.Host = "evil.example:80" },
		"a GET":                func(r *http.Request) { r.Method = http.MethodGet },
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL(), strings.NewReader(`{"JobName":"recflow-train"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "AWSGlue.StartJobRun")
		change(req)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusBadRequest, res.StatusCode, what)
		require.Contains(t, string(body), "UnknownOperationException", what)
	}
	require.Zero(t, count(t, e))
}

func count(t *testing.T, e *gluetest.Endpoint) (n int) {
	t.Helper()
	for _, err := range e.Client(t).Runs(t.Context()) {
		require.NoError(t, err)
		n++
	}
	return n
}
