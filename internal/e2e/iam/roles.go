package iam

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

// Role is a role that Terraform makes, and whose calls need its permissions.
type Role struct {
	Suffix     string // of its name, after the installation's prefix
	Components []string

	// Exempt are permissions that no call needs here.
	Exempt []Exemption

	// Tolerated are calls that may be denied: the code does the same then.
	Tolerated []Exemption
}

// What holds for several roles.
var (
	keys    = Exemption{"kms:*", "*", "the emulator encrypts nothing, so nothing asks KMS"}
	signIn  = Exemption{"rds-db:connect", "*", "signing in to Postgres is no call of an AWS API"}
	logging = Exemption{"logs:*", "*", "the service writes what the program prints"}
)

// Roles are those with a component of ours behind them.
var Roles = []Role{
	{
		Suffix: "worker", Components: []string{"worker"},
		Exempt: []Exemption{keys, signIn},
		Tolerated: []Exemption{
			{"s3:ListBucket", Bucket, "the progress of a training is not there until Spark is up; the worker then says less, whatever S3 answered"},
		},
	},
	{
		Suffix: "api", Components: []string{"api"},
		Exempt: []Exemption{keys, signIn},
	},
	{
		Suffix: "stream", Components: []string{"lambda"},
		Exempt: []Exemption{
			keys, signIn, logging,
			{"ec2:*", "*", "Lambda itself puts the function into the VPC; the function's own calls are denied"},
			{"kinesis:DescribeStream", "*", "Lambda's poller calls it, ours gets along with the summary"},
			{"s3:ListBucket", "*", "Lambda asks whether the destination of failed batches is there"},
		},
	},
	{
		Suffix: "firehose", Components: []string{"firehose"},
		Exempt: []Exemption{
			keys, logging,
			{"s3:AbortMultipartUpload", "*", "Firehose uploads large objects in parts, ours in one"},
			{"s3:GetObject", "*", "on the list that Firehose documents for a bucket"},
			{"s3:GetBucketLocation", "*", "on the list that Firehose documents for a bucket"},
			{"s3:ListBucket*", "*", "on the list that Firehose documents for a bucket"},
			{"s3:PutObject", "*/errors/*", "nothing that reaches Firehose here can fail in its hands"},
		},
	},
	{
		Suffix: "train", Components: []string{"glue"},
		Exempt: []Exemption{
			keys, logging,
			{"cloudwatch:PutMetricData", "*", "Glue itself reports the job's metrics"},
			{"s3:GetObject", "*/code/*", "Glue itself fetches the script and its package"},
			{"s3:GetBucketLocation", "*", "Glue's file system looks for the bucket's region, Spark's own is told"},
			{"s3:*", "*/embeddings_$folder$", "Glue's file system marks folders so, Spark's own does not"},
			{"s3:AbortMultipartUpload", "*/embeddings/*", "after an upload that failed"},
			{"s3:ListMultipartUploadParts", "*/embeddings/*", "after an upload that failed"},
		},
	},
}

// unrecorded are roles whose calls are AWS's own.
var unrecorded = map[string]string{
	"container-agent": "the agent of ECS pulls images and reads secrets before a program starts",
	"vpc-flow-logs":   "the VPC writes its flow logs",
}

//go:embed calls.jsonl
var recorded []byte

// Recorded returns the calls that the components make in an end-to-end run, with
// names instead of ARNs. A test of internal/e2e keeps them true.
func Recorded() ([]Call, error) { return ReadCalls(bytes.NewReader(recorded)) }

// Check holds recorded calls against every role in the output of
// `terraform show -json`. Its error says everything that is missing, unused or
// unknown.
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
			errs = append(errs, fmt.Errorf("role %s is none that internal/e2e/iam knows; say there whose it is", name))
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
	var needed []Call
	tolerated := make([]bool, len(r.Tolerated))
	for _, c := range Of(calls, r.Components...) {
		keep := true
		for i, t := range r.Tolerated {
			// A listing that was asked for has a prefix; what is tolerated has none.
			if c.Problem == "" && len(c.Context) == 0 && matchAction(t.Action, c.Action) && c.Resource == t.Resource {
				keep, tolerated[i] = false, true
			}
		}
		if keep {
			needed = append(needed, c)
		}
	}
	report := Compare(name, policies, names.Concrete(needed), r.Exempt)
	for i, t := range r.Tolerated {
		if !tolerated[i] {
			report.Stale = append(report.Stale, t)
		}
	}
	return report.Err()
}

// kindOf finds out which role a name is: its suffix, and why nothing of it is
// recorded if so.
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
