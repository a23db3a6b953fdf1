package awsdoctor

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

type rules interface {
	DescribeRule(context.Context, *eventbridge.DescribeRuleInput, ...func(*eventbridge.Options)) (*eventbridge.DescribeRuleOutput, error)
	ListTargetsByRule(context.Context, *eventbridge.ListTargetsByRuleInput, ...func(*eventbridge.Options)) (*eventbridge.ListTargetsByRuleOutput, error)
}

// rules checks the EventBridge rules that notify the topic.
func (d *Doctor) rules(ctx context.Context) (checks []Check) {
	for _, key := range slices.Sorted(maps.Keys(d.Deployment.RuleNames)) {
		checks = append(checks, d.rule(ctx, "rule "+key, d.Deployment.RuleNames[key]))
	}
	return checks
}

func (d *Doctor) rule(ctx context.Context, name, rule string) Check {
	about, err := d.Events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &rule})
	if err != nil {
		return trouble(name, "events:DescribeRule", err)
	}
	if about.State != types.RuleStateEnabled {
		return bad(name, apply, "it is %s: failures notify no one", about.State)
	}
	targets, err := d.Events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule})
	if err != nil {
		return trouble(name, "events:ListTargetsByRule", err)
	}
	told := slices.ContainsFunc(targets.Targets, func(t types.Target) bool { return aws.ToString(t.Arn) == d.Deployment.TopicARN })
	return is(name, told, "its target is the topic", "the topic is not a target: failures notify no one", apply)
}
