package iam

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

// Role is a role created by Terraform whose components make calls.
type Role struct {
	Suffix     string // of its name, after the installation's prefix
	Components []string

	// Exempt are permissions that no recorded call needs.
	Exempt []Exemption
}

// Reasons shared by several roles.
var (
	keys    = Exemption{"kms:*", "*", "the emulator does not encrypt, so nothing calls KMS"}
	signIn  = Exemption{"rds-db:connect", "*", "authentication to Postgres is not a call of an AWS API"}
	logging = Exemption{"logs:*", "*", "the service writes the program's output"}
)

// Roles are the roles of our components.
var Roles = []Role{
	{
		Suffix: "worker", Components: []string{"worker"},
		Exempt: []Exemption{
			keys, signIn,
			{"s3:DeleteObject", "*/lists/*", "only a window of lists that is written again has other files to delete"},
			{"s3:PutObject", "*/raw/events/*", "only a redelivery of lost events writes there"},
		},
	},
	{
		Suffix: "api", Components: []string{"api"},
		Exempt: []Exemption{
			keys, signIn,
			{"s3:GetObject", "*/aws/lambda/*", "only a replay of batches that were given up reads one"},
			{"s3:GetObject", "*/raw/imports/*", "only an operator who asks for the imports reads them"},
			{"s3:PutObject", "*/raw/imports/*", "only the removal of an import writes there"},
			{"s3:DeleteObject", "*/raw/*", "only the removal of an import deletes objects"},
		},
	},
	{
		Suffix: "stream", Components: []string{"lambda"},
		Exempt: []Exemption{
			keys, signIn, logging,
			{"ec2:*", "*", "Lambda itself attaches the function to the VPC; the function's own calls are denied"},
			{"kinesis:DescribeStream", "*", "Lambda's poller calls it, ours only needs the summary"},
			{"s3:ListBucket", "*", "Lambda checks that the destination of failed batches exists"},
		},
	},
	{
		Suffix: "firehose", Components: []string{"firehose"},
		Exempt: []Exemption{
			keys, logging,
			{"s3:AbortMultipartUpload", "*", "Firehose uploads large objects in parts, the emulator in one"},
			{"s3:GetObject", "*", "on the list that Firehose documents for a bucket"},
			{"s3:GetBucketLocation", "*", "on the list that Firehose documents for a bucket"},
			{"s3:ListBucket*", "*", "on the list that Firehose documents for a bucket"},
			{"s3:PutObject", "*/errors/*", "no record delivered here can fail in processing"},
		},
	},
	{
		Suffix: "train", Components: []string{"glue"},
		Exempt: []Exemption{
			keys, logging,
			{"cloudwatch:PutMetricData", "*", "Glue itself reports the job's metrics"},
			{"s3:GetObject", "*/code/*", "Glue itself fetches the script, its package and the wheels"},
			{"s3:GetBucketLocation", "*", "Glue's file system looks up the bucket's region, Spark's is configured with it"},
			{"s3:*", "*/embeddings_$folder$", "Glue's file system creates folder markers, Spark's does not"},
			{"s3:AbortMultipartUpload", "*/embeddings/*", "after an upload that failed"},
			{"s3:ListMultipartUploadParts", "*/embeddings/*", "after an upload that failed"},
		},
	},
}

// unrecorded are roles that only AWS services use.
var unrecorded = map[string]string{
	"container-agent": "the agent of ECS pulls images and reads secrets before a program starts",
	"vpc-flow-logs":   "the VPC writes its flow logs",
}

//go:embed calls.jsonl
var recorded []byte

// Recorded returns the components' calls in an end-to-end run, with placeholders
// instead of ARNs. A test of internal/e2e keeps them up to date.
func Recorded() ([]Call, error) { return ReadCalls(bytes.NewReader(recorded)) }

// Check compares recorded calls with every role in the output of `terraform show
// -json`. Its error lists everything that is missing, unused or unknown.
func Check(show []byte, calls []Call) error {
	policies, err := RolePolicies(show)
	if err != nil {
		return err
	}
	names, err := NamesOf(show)
	if err != nil {
		return err
	}
	var errs []error
	seen := map[string]bool{}
	for _, name := range RoleNames(policies) {
		suffix, reason := kindOf(name)
		seen[suffix] = true
		switch {
		case suffix == "" && len(policies[name]) > 0:
			errs = append(errs, fmt.Errorf("role %s is unknown to internal/e2e/iam; add it there", name))
		case suffix != "" && reason == "":
			errs = append(errs, roleOf(suffix).check(name, policies[name], calls, names))
		}
	}
	for _, r := range Roles {
		if !seen[r.Suffix] {
			errs = append(errs, fmt.Errorf("there is no role PREFIX-%s", r.Suffix))
		}
	}
	return errors.Join(errs...)
}

func (r Role) check(name string, policies []Policy, calls []Call, names Names) error {
	return Compare(name, policies, names.Concrete(Of(calls, r.Components...)), r.Exempt).Err()
}

// kindOf returns the role for a name, by its suffix, and why its calls are not
// recorded, if so.
func kindOf(name string) (suffix, unrecordedFor string) {
	for _, r := range Roles {
		if strings.HasSuffix(name, "-"+r.Suffix) {
			return r.Suffix, ""
		}
	}
	for suffix, reason := range unrecorded {
		if strings.HasSuffix(name, "-"+suffix) {
			return suffix, reason
		}
	}
	return "", ""
}

func roleOf(suffix string) Role {
	for _, r := range Roles {
		if r.Suffix == suffix {
			return r
		}
	}
	return Role{}
}
