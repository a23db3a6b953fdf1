package iam

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const worker = `[
 {"Sid":"job","Effect":"Allow","Action":["glue:StartJobRun","glue:GetJobRun"],"Resource":"arn:aws:glue:r:1:job/train"},
 {"Sid":"read","Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::b/embeddings/*","arn:aws:s3:::b/raw/*"]},
 {"Sid":"sign-in","Effect":"Allow","Action":"rds-db:connect","Resource":"arn:aws:rds-db:r:1:dbuser:db/loader"},
 {"Sid":"never","Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/embeddings/secret"}]`

var (
	workerCalls = []Call{
		{Component: "worker", Request: Request{Action: "glue:StartJobRun", Resource: "arn:aws:glue:r:1:job/train"}},
		{Component: "worker", Request: Request{Action: "glue:GetJobRun", Resource: "arn:aws:glue:r:1:job/train"}},
		{Component: "worker", Request: Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/embeddings/run=1/x"}},
		{Component: "worker", Request: Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/raw/x"}},
	}
	signInHere = Exemption{"rds-db:connect", "*", "authentication to Postgres is not an HTTP call"}
)

func TestCompare(t *testing.T) {
	t.Parallel()
	policies := one(t, worker)
	t.Run("it finds no difference between equal policies", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, Compare("worker", policies, workerCalls, []Exemption{signInHere}).Err())
	})
	t.Run("it names a call that no statement allows", func(t *testing.T) {
		t.Parallel()
		stop := Call{Component: "worker", Request: Request{Action: "glue:BatchStopJobRun", Resource: "arn:aws:glue:r:1:job/train"}}
		err := Compare("worker", policies, append(workerCalls[:4:4], stop), []Exemption{signInHere}).Err()
		require.EqualError(t, err, "the permissions of worker differ from its calls:\n"+
			"  missing: worker: glue:BatchStopJobRun on arn:aws:glue:r:1:job/train is not allowed by any statement; allow it or stop calling it")
	})
	t.Run("it names a call that a statement denies", func(t *testing.T) {
		t.Parallel()
		secret := Call{Component: "worker", Request: Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/embeddings/secret"}}
		err := Compare("worker", policies, append(workerCalls[:4:4], secret), []Exemption{signInHere}).Err()
		require.ErrorContains(t, err, `denied by statement "never" of policy p`)
	})
	t.Run("it names each permission that no call needs", func(t *testing.T) {
		t.Parallel()
		r := Compare("worker", policies, workerCalls[1:3], nil)
		require.Equal(t, []Permission{
			{"p", "job", "glue:StartJobRun", "arn:aws:glue:r:1:job/train"},
			{"p", "read", "s3:GetObject", "arn:aws:s3:::b/raw/*"},
			{"p", "sign-in", "rds-db:connect", "arn:aws:rds-db:r:1:dbuser:db/loader"},
		}, r.Unused)
		require.ErrorContains(t, r.Err(), `unused: s3:GetObject on arn:aws:s3:::b/raw/* (statement "read" of policy p)`)
	})
	t.Run("it rejects an exemption that exempts nothing or has no reason", func(t *testing.T) {
		t.Parallel()
		idle := Exemption{"glue:*", "*", "used all the same"}
		silent := Exemption{"rds-db:connect", "*", ""}
		require.Equal(t, []Exemption{idle, silent}, Compare("worker", policies, workerCalls, []Exemption{idle, silent}).Stale)
	})
	t.Run("it reports a call that it cannot classify", func(t *testing.T) {
		t.Parallel()
		odd := Call{Component: "worker", Problem: "POST /: what is this"}
		require.ErrorContains(t, Compare("worker", policies, append(workerCalls[:4:4], odd), []Exemption{signInHere}).Err(), "unknown: worker: POST /: what is this")
	})
}

func TestCalls(t *testing.T) {
	t.Parallel()
	here := Names{Bucket: "arn:aws:s3:::b", Failures: "failed/", GlueJob: "arn:aws:glue:r:1:job/train", Stream: ""}
	there := Names{Bucket: "arn:aws-cn:s3:::other", Failures: "", GlueJob: "arn:aws-cn:glue:q:2:job/t"}
	calls := []Call{
		{Component: "lambda", Request: Request{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/failed/x"}},
		{Component: "worker", Request: Request{Action: "s3:ListBucket", Resource: "arn:aws:s3:::b", Context: map[string]string{"s3:prefix": "raw/"}}},
		{Component: "worker", Request: Request{Action: "glue:GetJobRun", Resource: "arn:aws:glue:r:1:job/train"}},
	}
	abstract := here.Abstract(calls)
	assert.Equal(t, "${bucket}/${failures}x", abstract[0].Resource)
	concrete := there.Concrete(abstract)
	assert.Equal(t, []string{"arn:aws-cn:s3:::other/x", "arn:aws-cn:s3:::other", "arn:aws-cn:glue:q:2:job/t"},
		[]string{concrete[0].Resource, concrete[1].Resource, concrete[2].Resource})
	assert.Equal(t, "${events}", Names{Recommendations: "arn:d/r", Events: "arn:d/r-events"}.
		Abstract([]Call{{Request: Request{Resource: "arn:d/r-events"}}})[0].Resource, "the longer name is more specific")
	assert.Equal(t, "arn:aws:s3:::b/failed/x", calls[0].Resource, "the argument is unchanged")

	var file bytes.Buffer
	require.NoError(t, WriteCalls(&file, abstract))
	read, err := ReadCalls(&file)
	require.NoError(t, err)
	assert.Equal(t, abstract, read)
	assert.Len(t, Distinct(append(read, abstract...)), 3)
	assert.Len(t, Of(read, "worker"), 2)
}
