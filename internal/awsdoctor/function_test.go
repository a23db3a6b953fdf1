package awsdoctor

import (
	"archive/zip"
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

func TestFunction_and_its_mapping(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	ctx := t.Context()
	require.Equal(t, map[string]string{"function": "it does not exist"}, failed(d.function(ctx)))
	require.Equal(t, map[string]string{"mapping": "it does not exist"}, failed(d.mapping(ctx)))
	bucket := makeBucket(t, d)
	makeStream(t, d)

	var code bytes.Buffer
	z := zip.NewWriter(&code)
	w, err := z.Create("bootstrap")
	require.NoError(t, err)
	_, err = w.Write([]byte("#!/bin/sh\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	api := d.Lambda.(*lambda.Client)
	_, err = api.CreateFunction(ctx, &lambda.CreateFunctionInput{
		FunctionName: &d.Deployment.Function, Runtime: types.RuntimeProvidedal2023, Handler: aws.String("bootstrap"),
		Role: aws.String(d.Deployment.Roles["lambda"]), Code: &types.FunctionCode{ZipFile: code.Bytes()},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(failed(d.function(ctx))) == 0 }, patience, 50e6)
	made, err := api.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		FunctionName: &d.Deployment.Function, EventSourceArn: &d.Deployment.StreamARN, StartingPosition: types.EventSourcePositionLatest,
		FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures}, BisectBatchOnFunctionError: aws.Bool(true),
		MaximumRetryAttempts: aws.Int32(5), MaximumRecordAgeInSeconds: aws.Int32(3600),
		DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String(d.Deployment.bucketARN())}},
	})
	require.NoError(t, err)
	d.Deployment.MappingUUID = *made.UUID
	require.Eventually(t, func() bool { return len(failed(d.mapping(ctx))) == 0 }, patience, 50e6)

	update := func(in lambda.UpdateEventSourceMappingInput) func() error {
		return func() error {
			in.UUID = made.UUID
			_, err := api.UpdateEventSourceMapping(ctx, &in)
			return err
		}
	}
	breaks(t, d.mapping, []step{
		{"does not bisect", update(lambda.UpdateEventSourceMappingInput{BisectBatchOnFunctionError: aws.Bool(false)}), "mapping settings", "bisect on error is off"},
		{"retries without limit", update(lambda.UpdateEventSourceMappingInput{MaximumRetryAttempts: aws.Int32(-1)}), "mapping settings", "retries are not limited"},
		{"never discards a record", update(lambda.UpdateEventSourceMappingInput{MaximumRecordAgeInSeconds: aws.Int32(-1)}), "mapping settings", "maximum record age"},
		{"reports no items", update(lambda.UpdateEventSourceMappingInput{FunctionResponseTypes: []types.FunctionResponseType{}}), "mapping settings", "ReportBatchItemFailures"},
		{"loses discarded batches", update(lambda.UpdateEventSourceMappingInput{DestinationConfig: &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: aws.String("arn:aws:s3:::other")}}}),
			"mapping settings", "discarded batches do not go to the bucket"},
		{"discards a batch", func() error {
			_, err := bucket.PutObject(ctx, &s3.PutObjectInput{Bucket: &d.Deployment.Bucket, Key: aws.String(d.Deployment.failures() + "shard/2026/11/25/x"), Body: strings.NewReader("{}")})
			return err
		}, "failure destination", "1 batches were discarded"},
		{"reads another stream", func() error { d.Deployment.StreamARN += "-2"; return nil }, "mapping", "it is Enabled, from "},
		{"disables it", update(lambda.UpdateEventSourceMappingInput{Enabled: aws.Bool(false)}), "mapping", "Disabl"},
	})
}

func TestFunction_reports_its_state(t *testing.T) {
	t.Parallel()
	d := &Doctor{Deployment: newDeployment()}
	for says, f := range map[string]*lambda.GetFunctionConfigurationOutput{
		"it is Failed: no code":               {State: types.StateFailed, StateReason: aws.String("no code")},
		"its last update is Failed: no image": {State: types.StateActive, LastUpdateStatus: types.LastUpdateStatusFailed, LastUpdateStatusReason: aws.String("no image")},
	} {
		d.Lambda = &fakeLambda{f: f}
		require.Equal(t, map[string]string{"function": says}, failed(d.function(t.Context())))
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	ctx := t.Context()
	require.Equal(t, map[string]string{"training job": "it does not exist"}, failed(d.job(ctx)))
	bucket := makeBucket(t, d)
	for _, key := range []string{"code/glue_job.py", "code/recflow-glue.zip", "code/wheels/boto3-1.whl", "code/wheels/numba-1.whl"} {
		_, err := bucket.PutObject(ctx, &s3.PutObjectInput{Bucket: &d.Deployment.Bucket, Key: &key, Body: strings.NewReader("x")})
		require.NoError(t, err)
	}
	uri := "s3://" + d.Deployment.Bucket + "/code/"
	files := map[string]string{
		"--extra-py-files":            uri + "recflow-glue.zip",
		"--additional-python-modules": uri + "wheels/boto3-1.whl," + uri + "wheels/numba-1.whl",
	}
	api := d.Glue.(*glue.Client)
	_, err := api.CreateJob(ctx, &glue.CreateJobInput{
		Name: &d.Deployment.GlueJob, Role: aws.String(d.Deployment.Roles["glue"]), Timeout: aws.Int32(60), MaxRetries: 0,
		Command: &gluetypes.JobCommand{Name: aws.String("glueetl"), ScriptLocation: aws.String(uri + "glue_job.py")}, DefaultArguments: files,
	})
	require.NoError(t, err)
	update := func(in gluetypes.JobUpdate) func() error {
		return func() error {
			_, err := api.UpdateJob(ctx, &glue.UpdateJobInput{JobName: &d.Deployment.GlueJob, JobUpdate: &in})
			return err
		}
	}
	command := &gluetypes.JobCommand{Name: aws.String("glueetl"), ScriptLocation: aws.String(uri + "glue_job.py")}
	other := &gluetypes.JobCommand{Name: aws.String("glueetl"), ScriptLocation: aws.String("s3://other/x.py")}
	modules := func(list string) map[string]string {
		changed := maps.Clone(files)
		changed["--additional-python-modules"] = list
		return changed
	}
	remove := func(key string) func() error {
		return func() error {
			_, err := bucket.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &d.Deployment.Bucket, Key: &key})
			return err
		}
	}
	breaks(t, d.job, []step{
		{"retries", update(gluetypes.JobUpdate{MaxRetries: 2, Timeout: aws.Int32(60), Command: command, DefaultArguments: files}), "training job", "set to 2"},
		{"never ends", update(gluetypes.JobUpdate{MaxRetries: 2, Timeout: aws.Int32(0), Command: command, DefaultArguments: files}), "training job", "no timeout"},
		{"has no script", remove("code/glue_job.py"), "training script", "does not exist"},
		{"has no package", remove("code/recflow-glue.zip"), "training package", "does not exist"},
		{"has no numba", remove("code/wheels/numba-1.whl"), "training wheels", "code/wheels/numba-1.whl does not exist"},
		{"runs the script of another bucket", update(gluetypes.JobUpdate{MaxRetries: 2, Timeout: aws.Int32(0), Command: other, DefaultArguments: files}), "training script", "not in the bucket"},
		{"installs a module from an index", update(gluetypes.JobUpdate{MaxRetries: 2, Timeout: aws.Int32(0), Command: other, DefaultArguments: modules("boto3==1")}), "training wheels", `it is "boto3==1", which is not in the bucket`},
		{"installs nothing", update(gluetypes.JobUpdate{MaxRetries: 2, Timeout: aws.Int32(0), Command: other, DefaultArguments: modules("")}), "training wheels", "it installs none"},
	})
}
