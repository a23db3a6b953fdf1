package awsdoctor

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type buckets interface {
	HeadBucket(context.Context, *s3.HeadBucketInput, ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
	GetBucketVersioning(context.Context, *s3.GetBucketVersioningInput, ...func(*s3.Options)) (*s3.GetBucketVersioningOutput, error)
	GetBucketEncryption(context.Context, *s3.GetBucketEncryptionInput, ...func(*s3.Options)) (*s3.GetBucketEncryptionOutput, error)
	GetPublicAccessBlock(context.Context, *s3.GetPublicAccessBlockInput, ...func(*s3.Options)) (*s3.GetPublicAccessBlockOutput, error)
	GetBucketPolicy(context.Context, *s3.GetBucketPolicyInput, ...func(*s3.Options)) (*s3.GetBucketPolicyOutput, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
}

func (d *Doctor) bucket(ctx context.Context) []Check {
	name := &d.Deployment.Bucket
	if _, err := d.S3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: name}); err != nil {
		return []Check{trouble("bucket", "s3:ListBucket", err)}
	}
	return []Check{
		ok("bucket", "%s", *name),
		d.bucketVersioning(ctx, name), d.bucketEncryption(ctx, name), d.bucketPublicAccess(ctx, name), d.bucketTLS(ctx, name),
	}
}

func (d *Doctor) bucketVersioning(ctx context.Context, bucket *string) Check {
	const name = "bucket versioning"
	out, err := d.S3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
	if err != nil {
		return trouble(name, "s3:GetBucketVersioning", err)
	}
	return is(name, out.Status == types.BucketVersioningStatusEnabled, "overwritten and deleted objects are kept", "it is off: overwritten objects are lost", apply)
}

func (d *Doctor) bucketEncryption(ctx context.Context, bucket *string) Check {
	const name = "bucket encryption"
	out, err := d.S3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil {
		return trouble(name, "s3:GetEncryptionConfiguration", err)
	}
	kms := false
	if c := out.ServerSideEncryptionConfiguration; c != nil {
		for _, r := range c.Rules {
			kms = kms || r.ApplyServerSideEncryptionByDefault != nil && r.ApplyServerSideEncryptionByDefault.SSEAlgorithm == types.ServerSideEncryptionAwsKms
		}
	}
	return is(name, kms, "with a KMS key", "not with the deployment's KMS key", apply)
}

func (d *Doctor) bucketPublicAccess(ctx context.Context, bucket *string) Check {
	const name = "bucket public access"
	out, err := d.S3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if hasCode(err, 0, "NoSuchPublicAccessBlockConfiguration") {
		return bad(name, apply, "it is not blocked")
	}
	if err != nil {
		return trouble(name, "s3:GetBucketPublicAccessBlock", err)
	}
	b := out.PublicAccessBlockConfiguration
	blocked := b != nil && aws.ToBool(b.BlockPublicAcls) && aws.ToBool(b.BlockPublicPolicy) && aws.ToBool(b.IgnorePublicAcls) && aws.ToBool(b.RestrictPublicBuckets)
	return is(name, blocked, "all four settings block it", "not all four settings block it", apply)
}

func (d *Doctor) bucketTLS(ctx context.Context, bucket *string) Check {
	const name = "bucket TLS only"
	out, err := d.S3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
	if hasCode(err, 0, "NoSuchBucketPolicy") {
		return bad(name, apply, "it has no policy: requests without TLS are accepted")
	}
	if err != nil {
		return trouble(name, "s3:GetBucketPolicy", err)
	}
	return is(name, refusesPlain([]byte(aws.ToString(out.Policy)), d.Deployment.bucketARN()), "requests without TLS are denied", "its policy accepts requests without TLS", apply)
}

// texts is a policy value that is either one string or a list of strings.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]string)(t))
	}
	var one string
	err := json.Unmarshal(data, &one)
	*t = texts{one}
	return err
}

// refusesPlain reports whether a bucket policy denies all requests without TLS.
func refusesPlain(policy []byte, bucketARN string) bool {
	var p struct {
		Statement []struct {
			Effect    string
			Principal json.RawMessage
			Action    texts
			Resource  texts
			Condition map[string]map[string]texts
		}
	}
	if json.Unmarshal(policy, &p) != nil {
		return false
	}
	for _, s := range p.Statement {
		var everybody struct{ AWS texts }
		all := string(s.Principal) == `"*"` || json.Unmarshal(s.Principal, &everybody) == nil && slices.Contains(everybody.AWS, "*")
		everything := slices.Contains(s.Action, "s3:*") || slices.Contains(s.Action, "*")
		everywhere := slices.Contains(s.Resource, "*") || slices.Contains(s.Resource, bucketARN) && slices.Contains(s.Resource, bucketARN+"/*")
		if s.Effect == "Deny" && all && everything && everywhere && slices.Contains(s.Condition["Bool"]["aws:SecureTransport"], "false") {
			return true
		}
	}
	return false
}
