package awsdoctor

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

type identities interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// identity checks the caller's account and region against the deployment's.
func (d *Doctor) identity(ctx context.Context) (checks []Check, known bool) {
	const name = "identity"
	who, err := d.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return []Check{bad(name, "sign in, for example `aws sso login`, or set AWS_PROFILE; no AWS checks were run", "AWS rejects your credentials: %s", cause(err))}, false
	}
	account := aws.ToString(who.Account)
	if account != d.Deployment.account {
		return []Check{bad(name, "sign in to account "+d.Deployment.account+"; no AWS checks were run",
			"you are %s; the deployment is in account %s", aws.ToString(who.Arn), d.Deployment.account)}, false
	}
	checks = []Check{ok(name, "%s", aws.ToString(who.Arn))}
	switch d.Region {
	case d.Deployment.Region:
		checks = append(checks, ok("region", "%s", d.Region))
	case "":
		checks = append(checks, bad("region", "export AWS_REGION="+d.Deployment.Region, "your settings name no region; the deployment is in %s", d.Deployment.Region))
	default:
		checks = append(checks, bad("region", "export AWS_REGION="+d.Deployment.Region,
			"your settings name %s; the deployment is in %s, which was checked", d.Region, d.Deployment.Region))
	}
	return checks, true
}
