package iam

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// show is Terraform's output after an apply to the emulator, reduced to what Check
// reads. The acceptance test of Terraform calls Check on a current one.
func show(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/show.json")
	require.NoError(t, err)
	return string(data)
}

func calls(t *testing.T) []Call {
	t.Helper()
	calls, err := Recorded()
	require.NoError(t, err)
	require.NotEmpty(t, calls)
	return calls
}

// change edits the policies in Terraform's output, which are JSON strings in JSON.
func change(t *testing.T, text, from, to string) []byte {
	t.Helper()
	escape := func(s string) string {
		data, err := json.Marshal(s)
		require.NoError(t, err)
		return string(data[1 : len(data)-1])
	}
	require.Contains(t, text, escape(from))
	return []byte(strings.Replace(text, escape(from), escape(to), 1))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	t.Run("it accepts permissions that match the calls", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, Check([]byte(show(t)), calls(t)))
	})
	t.Run("it fails where a permission is missing", func(t *testing.T) {
		t.Parallel()
		for _, c := range calls(t) {
			if c.Component != "worker" || !strings.HasPrefix(c.Action, "glue:") {
				continue
			}
			err := Check(change(t, show(t), `"`+c.Action+`"`, `"glue:GetTags"`), calls(t))
			assert.ErrorContains(t, err, "the permissions of recflow-worker differ from its calls")
			assert.ErrorContains(t, err, "missing: worker: "+c.Action+" on arn:aws:glue:us-east-1:000000000000:job/recflow-train is not allowed by any statement")
			assert.ErrorContains(t, err, "unused: glue:GetTags on")
		}
	})
	t.Run("it fails where a permission is not used", func(t *testing.T) {
		t.Parallel()
		err := Check(change(t, show(t), `"firehose:PutRecordBatch"`, `["firehose:PutRecordBatch", "firehose:PutRecord"]`), calls(t))
		require.ErrorContains(t, err, "the permissions of recflow-stream differ from its calls")
		require.ErrorContains(t, err, "unused: firehose:PutRecord on arn:aws:firehose:us-east-1:000000000000:deliverystream/recflow-events")
		require.NotContains(t, err.Error(), "missing")
	})
	t.Run("it fails where a component's calls have changed", func(t *testing.T) {
		t.Parallel()
		for i, c := range calls(t) {
			if c.Component != "lambda" {
				continue
			}
			assert.ErrorContains(t, Check([]byte(show(t)), slices.Delete(calls(t), i, i+1)), "unused: "+c.Action, c)
			c.Component = "api"
			assert.ErrorContains(t, Check([]byte(show(t)), append(calls(t), c)), "missing: api: "+c.Action, c)
		}
	})
	t.Run("it fails where a call is not classified", func(t *testing.T) {
		t.Parallel()
		require.ErrorContains(t, Check([]byte(show(t)), append(calls(t), Call{Component: "api", Problem: "what is this"})), "unknown: api: what is this")
	})
	t.Run("it compares listings with their prefixes", func(t *testing.T) {
		t.Parallel()
		all := append(calls(t), Call{Component: "worker", Request: Request{"s3:ListBucket", Bucket, map[string]string{"s3:prefix": "recommendations/"}}})
		require.ErrorContains(t, Check([]byte(show(t)), all), `s3:prefix = "recommendations/" is not allowed`)
	})
	t.Run("it fails where a missing object would be reported as 403", func(t *testing.T) {
		t.Parallel()
		err := Check(change(t, show(t), `{"StringEqualsIfExists": {"s3:prefix": ["raw/events/"`, `{"StringEquals": {"s3:prefix": ["raw/events/"`), calls(t))
		require.ErrorContains(t, err, "missing: worker: s3:ListBucket")
	})
	t.Run("it checks every role", func(t *testing.T) {
		t.Parallel()
		renamed := strings.ReplaceAll(show(t), "recflow-container-agent", "recflow-helper")
		require.ErrorContains(t, Check([]byte(renamed), calls(t)), "role recflow-helper is unknown")
		renamed = strings.ReplaceAll(show(t), `"recflow-worker"`, `"recflow-admin"`)
		require.ErrorContains(t, Check([]byte(renamed), calls(t)), "there is no role PREFIX-worker")
	})
}

func TestGeneralize(t *testing.T) {
	t.Parallel()
	got := Generalize([]Call{
		{Component: "c", Request: Request{"s3:GetObject", "arn:aws:s3:::b2/embeddings/run=abc/items/part-0.parquet", nil}},
		{Component: "c", Request: Request{"s3:GetObject", "arn:aws:s3:::b2/embeddings/run=def/manifest.json", nil}},
		{Component: "c", Request: Request{"s3:PutObject", "arn:aws:s3:::b2/payloads/0a/x", nil}},
		{Component: "c", Request: Request{"s3:ListBucket", "arn:aws:s3:::b2", map[string]string{"s3:prefix": "raw/dt=2026/", "s3:delimiter": "/"}}},
		{Component: "c", Request: Request{"glue:GetJob", "arn:aws:glue:r:1:job/x1", nil}},
	})
	assert.Equal(t, "c: glue:GetJob on arn:aws:glue:r:1:job/x1\n"+
		"c: s3:GetObject on arn:aws:s3:::b2/embeddings/run=*\n"+
		"c: s3:ListBucket on arn:aws:s3:::b2, s3:prefix = \"raw/dt=*\"\n"+
		"c: s3:PutObject on arn:aws:s3:::b2/payloads/*/x\n", text(got))
}

func text(calls []Call) (out string) {
	for _, c := range calls {
		out += c.String() + "\n"
	}
	return out
}
