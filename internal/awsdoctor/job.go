package awsdoctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

type jobs interface {
	GetJob(context.Context, *glue.GetJobInput, ...func(*glue.Options)) (*glue.GetJobOutput, error)
}

func (d *Doctor) job(ctx context.Context) []Check {
	out, err := d.Glue.GetJob(ctx, &glue.GetJobInput{JobName: &d.Deployment.GlueJob})
	if err != nil {
		return []Check{trouble("training job", "glue:GetJob", err)}
	}
	j := out.Job
	var wrong []string
	if j.MaxRetries != 0 {
		wrong = append(wrong, fmt.Sprintf("its own retries are set to %d; use 0, because the workflow retries", j.MaxRetries))
	}
	if aws.ToInt32(j.Timeout) <= 0 {
		wrong = append(wrong, "it has no timeout")
	}
	checks := []Check{is("training job", len(wrong) == 0, fmt.Sprintf("%s, times out after %d minutes", d.Deployment.GlueJob, aws.ToInt32(j.Timeout)), strings.Join(wrong, "; "), apply)}
	script := ""
	if j.Command != nil {
		script = aws.ToString(j.Command.ScriptLocation)
	}
	return append(checks,
		d.code(ctx, "training script", script),
		d.code(ctx, "training package", j.DefaultArguments["--extra-py-files"]),
		d.wheels(ctx, j.DefaultArguments["--additional-python-modules"]))
}

// wheels checks that the modules exist that Glue installs when a run starts, a list
// separated by commas.
func (d *Doctor) wheels(ctx context.Context, modules string) Check {
	const name = "training wheels"
	if modules == "" {
		return bad(name, apply, "it installs none")
	}
	all := strings.Split(modules, ",")
	for _, uri := range all {
		if c := d.code(ctx, name, uri); c.State != OK {
			return c
		}
	}
	return ok(name, "%d files in the bucket", len(all))
}

// code checks that an object the job runs exists.
func (d *Doctor) code(ctx context.Context, name, uri string) Check {
	bucket, key, found := strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
	if !found || bucket != d.Deployment.Bucket {
		return bad(name, apply, "it is %q, which is not in the bucket", uri)
	}
	if _, err := d.S3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key}); err != nil {
		c := trouble(name, "s3:GetObject", err)
		if missing(err) {
			c.Detail, c.Fix = uri+" does not exist", "run `make package`, then `terraform apply`"
		}
		return c
	}
	return ok(name, "%s", uri)
}
