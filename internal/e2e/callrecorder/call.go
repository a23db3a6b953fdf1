package callrecorder

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/e2e/iam"
)

// call is one request with its operation and resource.
type call struct {
	account, region, service string
	method, path             string
	query                    url.Values
	header                   http.Header
	body                     []byte

	requests []iam.Request
	missing  *iam.Request // also needed when the response is 404
}

func with(ctx context.Context, upstream *url.URL, c *call) context.Context {
	return context.WithValue(context.WithValue(ctx, upstreamKey{}, upstream), callKey{}, c)
}

// needed returns the permissions that the call needs, given its response status.
func (c *call) needed(status int) []iam.Request {
	if status == http.StatusNotFound && c.missing != nil {
		return append(slices.Clone(c.requests), *c.missing)
	}
	return c.requests
}

func (c *call) need(action, resource string) {
	c.requests = append(c.requests, iam.Request{Action: action, Resource: resource})
}

func (c *call) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, c.region, c.account, resource)
}

// classify determines a call's operation and resource.
func (c *call) classify() error {
	if c.service == "s3" {
		return c.classifyS3()
	}
	if target := c.header.Get("X-Amz-Target"); target != "" {
		return c.classifyJSON(target)
	}
	if strings.HasPrefix(c.header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return c.classifyQuery()
	}
	return fmt.Errorf("unknown protocol of this call to %s", c.service)
}

// jsonServices are the services of the JSON protocol by the prefix of X-Amz-Target.
// Only one kind of resource is supported per service.
var jsonServices = map[string]struct {
	prefix   string
	resource func(*call, named) string
}{
	"Kinesis_20131202": {"kinesis", func(c *call, n named) string { return c.named("kinesis", "stream/", n.StreamARN, n.StreamName) }},
	"Firehose_20150804": {"firehose", func(c *call, n named) string {
		return c.named("firehose", "deliverystream/", "", n.DeliveryStreamName)
	}},
	"AWSGlue":        {"glue", func(c *call, n named) string { return c.named("glue", "job/", "", n.JobName) }},
	"secretsmanager": {"secretsmanager", func(c *call, n named) string { return c.named("secretsmanager", "secret:", "", n.SecretID) }},
}

// named has the fields by which JSON calls name their resource.
type named struct {
	StreamARN, StreamName string
	DeliveryStreamName    string
	JobName               string
	SecretID              string `json:"SecretId"`
}

func (c *call) named(service, kind, arn, name string) string {
	switch {
	case arn != "":
		return arn
	case strings.HasPrefix(name, "arn:"):
		return name
	case name != "":
		return c.arn(service, kind+name)
	}
	return ""
}

func (c *call) classifyJSON(target string) error {
	prefix, operation, _ := strings.Cut(target, ".")
	service, ok := jsonServices[prefix]
	if !ok || operation == "" {
		return fmt.Errorf("unknown X-Amz-Target %q", target)
	}
	var n named
	if err := json.Unmarshal(c.body, &n); err != nil {
		return fmt.Errorf("%s: read the body: %w", target, err)
	}
	resource := service.resource(c, n)
	if resource == "" {
		return fmt.Errorf("%s names no resource", target)
	}
	c.need(service.prefix+":"+operation, resource)
	return nil
}

// queryResources maps Query calls to the field that names their resource. A call
// without a field needs no permission.
var queryResources = map[string]string{
	"sns:Publish":            "TopicArn",
	"sns:PublishBatch":       "TopicArn",
	"sns:GetTopicAttributes": "TopicArn",
	"sts:AssumeRole":         "RoleArn",
	"sts:GetCallerIdentity":  "",
}

func (c *call) classifyQuery() error {
	form, err := url.ParseQuery(string(c.body))
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	action := c.service + ":" + form.Get("Action")
	field, ok := queryResources[action]
	switch {
	case !ok:
		return fmt.Errorf("%s is unknown", action)
	case field == "":
		return nil
	case form.Get(field) == "":
		return fmt.Errorf("%s names no %s", action, field)
	}
	c.need(action, form.Get(field))
	return nil
}
