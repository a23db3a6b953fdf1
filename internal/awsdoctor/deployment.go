package awsdoctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Deployment contains the outputs of the Terraform module in terraform/, by name.
type Deployment struct {
	Region          string
	Bucket          string
	Stream          string
	StreamARN       string
	DeliveryStreams map[string]string // by content
	Function        string
	MappingUUID     string
	GlueJob         string
	Cluster         string
	Services        map[string]string // worker, api
	APIURL          string
	TopicARN        string
	AlarmNames      map[string]string // by key, which is also the name of the runbook
	RuleNames       map[string]string // of EventBridge, by key
	Roles           map[string]string // ARNs by component

	account, partition string
}

// ReadDeployment parses the output of `terraform output -json`. The error names
// every missing output.
func ReadDeployment(data []byte) (Deployment, error) {
	var d Deployment
	var outputs map[string]struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &outputs); err != nil {
		return d, fmt.Errorf("this is not the output of `terraform output -json`: %w", err)
	}
	if len(outputs) == 0 {
		return d, errors.New("there are no outputs; run `terraform output -json` in the directory in which you ran `terraform apply`")
	}
	var absent []string
	for _, o := range []struct {
		name string
		into any
	}{
		{"region", &d.Region}, {"bucket", &d.Bucket}, {"stream", &d.Stream}, {"stream_arn", &d.StreamARN},
		{"delivery_streams", &d.DeliveryStreams}, {"function", &d.Function}, {"mapping_uuid", &d.MappingUUID},
		{"glue_job", &d.GlueJob}, {"cluster", &d.Cluster}, {"services", &d.Services}, {"api_url", &d.APIURL},
		{"topic_arn", &d.TopicARN}, {"alarm_names", &d.AlarmNames}, {"rule_names", &d.RuleNames}, {"roles", &d.Roles},
	} {
		value := outputs[o.name].Value
		if len(value) == 0 || bytes.Equal(value, []byte("null")) || bytes.Equal(value, []byte(`""`)) || bytes.Equal(value, []byte("{}")) {
			absent = append(absent, o.name)
			continue
		}
		if err := json.Unmarshal(value, o.into); err != nil {
			return d, fmt.Errorf("output %s does not have the format that this recflow expects: %w", o.name, err)
		}
	}
	if len(absent) > 0 {
		return d, fmt.Errorf("these outputs are missing: %s; pass them on from the module in your root's outputs.tf (see terraform/examples/complete), then `terraform apply`",
			strings.Join(absent, ", "))
	}
	a, err := arn.Parse(d.StreamARN)
	if err != nil {
		return d, fmt.Errorf("output stream_arn: %w", err)
	}
	d.account, d.partition = a.AccountID, a.Partition
	return d, nil
}

// arn returns the ARN of a resource of the deployment.
func (d Deployment) arn(service, resource string) string {
	return arn.ARN{Partition: d.partition, Service: service, Region: d.Region, AccountID: d.account, Resource: resource}.String()
}

func (d Deployment) bucketARN() string {
	return arn.ARN{Partition: d.partition, Service: "s3", Resource: d.Bucket}.String()
}

// failures is the prefix to which Lambda writes discarded batches.
func (d Deployment) failures() string { return "aws/lambda/" + d.MappingUUID + "/" }
