package awsdoctor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

type services interface {
	DescribeServices(context.Context, *ecs.DescribeServicesInput, ...func(*ecs.Options)) (*ecs.DescribeServicesOutput, error)
}

func (d *Doctor) ecsServices(ctx context.Context) []Check {
	names := slices.Sorted(maps.Values(d.Deployment.Services))
	out, err := d.ECS.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &d.Deployment.Cluster, Services: names})
	if err != nil {
		return []Check{trouble("services", "ecs:DescribeServices", err)}
	}
	var checks []Check
	for _, key := range slices.Sorted(maps.Keys(d.Deployment.Services)) {
		name := "service " + key
		i := slices.IndexFunc(out.Services, func(s types.Service) bool { return aws.ToString(s.ServiceName) == d.Deployment.Services[key] })
		if i < 0 {
			checks = append(checks, bad(name, apply, "%s does not exist", d.Deployment.Services[key]))
			continue
		}
		checks = append(checks, serviceCheck(name, out.Services[i]))
	}
	return checks
}

func serviceCheck(name string, s types.Service) Check {
	const logs = "push the images (docs/deploy.md) if they are missing; otherwise check its log and its events in ECS"
	i := slices.IndexFunc(s.Deployments, func(d types.Deployment) bool { return aws.ToString(d.Status) == "PRIMARY" })
	switch {
	case aws.ToString(s.Status) != "ACTIVE":
		return bad(name, apply, "it is %s", aws.ToString(s.Status))
	case s.DesiredCount == 0:
		return bad(name, "push the images and migrate the database, then set running = true and `terraform apply`", "its desired count is 0")
	case s.RunningCount != s.DesiredCount:
		return bad(name, logs, "%d of %d tasks running%s", s.RunningCount, s.DesiredCount, lastEvent(s))
	case i >= 0 && s.Deployments[i].RolloutState != types.DeploymentRolloutStateCompleted:
		return bad(name, "wait while it is IN_PROGRESS; otherwise "+logs, "the last deployment is %s%s", s.Deployments[i].RolloutState, lastEvent(s))
	}
	return ok(name, "%d of %d tasks running, the last deployment is complete", s.RunningCount, s.DesiredCount)
}

func lastEvent(s types.Service) string {
	if len(s.Events) == 0 {
		return ""
	}
	return fmt.Sprintf("; ECS reports: %s", aws.ToString(s.Events[0].Message))
}
