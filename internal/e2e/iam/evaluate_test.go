package iam

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// one is a policy of the given statements.
func one(t *testing.T, statements string) []Policy {
	t.Helper()
	p, err := ParsePolicy("p", `{"Version":"2012-10-17","Statement":`+statements+`}`)
	require.NoError(t, err)
	return []Policy{p}
}

func TestEvaluate(t *testing.T) {
	t.Parallel()
	const bucket, job = "arn:aws:s3:::b", "arn:aws:glue:eu-central-1:123456789012:job/train"
	prefix := func(v string) map[string]string { return map[string]string{"s3:prefix": v} }
	listing := func(condition string) string {
		return `{"Sid":"list","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":` + condition + `}`
	}
	for name, c := range map[string]struct {
		statements string
		request    Request
		want       Outcome
	}{
		"it denies what no statement allows": {`[]`, Request{Action: "s3:GetObject", Resource: bucket + "/x"}, ImplicitlyDenied},
		"it allows an action on a resource":  {`{"Effect":"Allow","Action":"glue:StartJobRun","Resource":"` + job + `"}`, Request{Action: "glue:StartJobRun", Resource: job}, Allowed},
		"it denies the action on another":    {`{"Effect":"Allow","Action":"glue:StartJobRun","Resource":"` + job + `"}`, Request{Action: "glue:StartJobRun", Resource: job + "2"}, ImplicitlyDenied},
		"it denies another action":           {`{"Effect":"Allow","Action":"glue:StartJobRun","Resource":"` + job + `"}`, Request{Action: "glue:GetJobRun", Resource: job}, ImplicitlyDenied},
		"it ignores the case of actions":     {`{"Effect":"Allow","Action":"GLUE:startjobrun","Resource":"` + job + `"}`, Request{Action: "glue:StartJobRun", Resource: job}, Allowed},
		"it respects the case of resources":  {`{"Effect":"Allow","Action":"glue:*","Resource":"` + job + `"}`, Request{Action: "glue:StartJobRun", Resource: "arn:aws:glue:eu-central-1:123456789012:job/Train"}, ImplicitlyDenied},
		"a deny takes precedence, wherever it is": {
			`[{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"no","Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/locked/*"}]`,
			Request{Action: "s3:PutObject", Resource: bucket + "/locked/x"}, ExplicitlyDenied,
		},
		"it matches many actions by a pattern":                    {`{"Effect":"Allow","Action":["kinesis:Get*","kinesis:?istShards"],"Resource":"*"}`, Request{Action: "kinesis:ListShards", Resource: "x"}, Allowed},
		"it takes a question mark for one character":              {`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/?"}`, Request{Action: "s3:GetObject", Resource: bucket + "/xy"}, ImplicitlyDenied},
		"it matches slashes by a star":                            {`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/raw/*"}`, Request{Action: "s3:GetObject", Resource: bucket + "/raw/a/b:c"}, Allowed},
		"it matches text, not a regular expression":               {`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b.c/x"}`, Request{Action: "s3:GetObject", Resource: "arn:aws:s3:::bxc/x"}, ImplicitlyDenied},
		"a star inside a part of an ARN does not match beyond it": {`{"Effect":"Allow","Action":"glue:GetJobRun","Resource":"arn:aws:glue:eu-*-1:1:job/x"}`, Request{Action: "glue:GetJobRun", Resource: "arn:aws:glue:eu-x:2:y-1:1:job/x"}, ImplicitlyDenied},
		"a star at the end of a part matches beyond it":           {`{"Effect":"Allow","Action":"glue:GetJobRun","Resource":"arn:aws:glue:*"}`, Request{Action: "glue:GetJobRun", Resource: job}, Allowed},
		"a bucket does not match its objects":                     {`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b"}`, Request{Action: "s3:GetObject", Resource: bucket + "/x"}, ImplicitlyDenied},
		"it compares a prefix with StringLike":                    {listing(`{"StringLike":{"s3:prefix":["raw/*","control/*"]}}`), Request{"s3:ListBucket", bucket, prefix("control/x")}, Allowed},
		"it denies another prefix":                                {listing(`{"StringLike":{"s3:prefix":["raw/*","control/*"]}}`), Request{"s3:ListBucket", bucket, prefix("embeddings/")}, ImplicitlyDenied},
		"it denies a request without the key":                     {listing(`{"StringLike":{"s3:prefix":"raw/*"}}`), Request{Action: "s3:ListBucket", Resource: bucket}, ImplicitlyDenied},
		"IfExists is satisfied without the key":                   {listing(`{"StringLikeIfExists":{"s3:prefix":"raw/*"}}`), Request{Action: "s3:ListBucket", Resource: bucket}, Allowed},
		"Not is satisfied without the key":                        {listing(`{"StringNotEquals":{"s3:prefix":"raw/"}}`), Request{Action: "s3:ListBucket", Resource: bucket}, Allowed},
		"Not requires that no value matches":                      {listing(`{"StringNotEquals":{"s3:prefix":["a","raw/"]}}`), Request{"s3:ListBucket", bucket, prefix("raw/")}, ImplicitlyDenied},
		"it ignores the case of keys":                             {listing(`{"StringEquals":{"S3:Prefix":"raw/"}}`), Request{"s3:ListBucket", bucket, prefix("raw/")}, Allowed},
		"it requires all operators and keys":                      {listing(`{"StringEquals":{"s3:prefix":"raw/"},"Bool":{"aws:SecureTransport":"false"}}`), Request{"s3:ListBucket", bucket, prefix("raw/")}, ImplicitlyDenied},
		"it assumes TLS":                                          {listing(`{"Bool":{"aws:SecureTransport":true}}`), Request{Action: "s3:ListBucket", Resource: bucket}, Allowed},
		"it compares ARNs part by part":                           {listing(`{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:123456789012:*"}}`), Request{"s3:ListBucket", bucket, map[string]string{"aws:SourceArn": "arn:aws:s3:::123456789012:x"}}, ImplicitlyDenied},
		"it accepts an ARN that matches the condition":            {listing(`{"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:123456789012:*"}}`), Request{"s3:ListBucket", bucket, map[string]string{"aws:SourceArn": "arn:aws:s3:eu:123456789012:x"}}, Allowed},
		"it tests whether a key is present":                       {listing(`{"Null":{"s3:prefix":"true"}}`), Request{"s3:ListBucket", bucket, prefix("raw/")}, ImplicitlyDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := Evaluate(one(t, c.statements), c.request)
			assert.Equal(t, c.want, d.Outcome, d)
		})
	}
	t.Run("it names the deciding statement", func(t *testing.T) {
		t.Parallel()
		d := Evaluate(one(t, `[{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"no","Effect":"Deny","Action":"s3:Put*","Resource":"*"}]`), Request{Action: "s3:PutObject", Resource: "x"})
		assert.Equal(t, `denied by statement "no" of policy p`, d.String())
	})
}

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{"Version":"2008-10-17","Statement":[]}`:                                                                                                                  "Version",
		`{"Version":"2012-10-17","Statement":{"Effect":"allow","Action":"s3:GetObject","Resource":"*"}}`:                                                           "Effect",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","NotAction":"s3:GetObject","Resource":"*"}}`:                                                        "NotAction",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","NotResource":"*"}}`:                                                        "NotResource",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Principal":"*"}}`:                                           "Principal",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Resource":"*"}}`:                                                                                   "Action",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject"}}`:                                                                          "Resource",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"GetObject","Resource":"*"}}`:                                                              "SERVICE:NAME",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"bucket"}}`:                                                      "ARN",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username}"}}`:                              "variable",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"NumericLessThan":{"s3:max-keys":"1"}}}}`:       "NumericLessThan",
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"ForAllValues:StringLike":{"s3:prefix":"1"}}}}`: "ForAllValues",
		`{`: "read policy p",
	} {
		_, err := ParsePolicy("p", document)
		assert.ErrorContains(t, err, want, document)
	}
}
