package awsdoctor

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

type alarms interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

type topics interface {
	ListSubscriptionsByTopic(context.Context, *sns.ListSubscriptionsByTopicInput, ...func(*sns.Options)) (*sns.ListSubscriptionsByTopicOutput, error)
}

// alarmsAtOnce is the maximum number of alarm names per CloudWatch call.
const alarmsAtOnce = 100

func (d *Doctor) alarms(ctx context.Context) []Check {
	const name = "alarms"
	states := map[string]types.StateValue{}
	for names := range slices.Chunk(slices.Sorted(maps.Values(d.Deployment.AlarmNames)), alarmsAtOnce) {
		out, err := d.CloudWatch.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
			AlarmNames: names, MaxRecords: aws.Int32(alarmsAtOnce), AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
		})
		if err != nil {
			return []Check{trouble(name, "cloudwatch:DescribeAlarms", err)}
		}
		for _, a := range out.MetricAlarms {
			states[aws.ToString(a.AlarmName)] = a.StateValue
		}
		for _, a := range out.CompositeAlarms {
			states[aws.ToString(a.AlarmName)] = a.StateValue
		}
	}
	var checks []Check
	unknown := 0
	for _, key := range slices.Sorted(maps.Keys(d.Deployment.AlarmNames)) {
		switch state, exists := states[d.Deployment.AlarmNames[key]]; {
		case !exists:
			checks = append(checks, bad("alarm "+key, apply, "it does not exist"))
		case state == types.StateValueAlarm:
			checks = append(checks, bad("alarm "+key, "see docs/runbooks/"+key+".md", "it is in ALARM"))
		case state == types.StateValueInsufficientData:
			unknown++
		}
	}
	if len(checks) == 0 {
		checks = []Check{ok(name, "none of %d in ALARM, %d without data", len(d.Deployment.AlarmNames), unknown)}
	}
	return checks
}

// topic checks that the alarm topic has confirmed subscriptions.
func (d *Doctor) topic(ctx context.Context) []Check {
	const name = "topic"
	var confirmed, pending int
	in := &sns.ListSubscriptionsByTopicInput{TopicArn: &d.Deployment.TopicARN}
	for {
		out, err := d.SNS.ListSubscriptionsByTopic(ctx, in)
		if err != nil {
			return []Check{trouble(name, "sns:ListSubscriptionsByTopic", err)}
		}
		for _, s := range out.Subscriptions {
			switch aws.ToString(s.SubscriptionArn) {
			case "PendingConfirmation":
				pending++
			case "Deleted":
			default:
				confirmed++
			}
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if confirmed == 0 && pending > 0 {
		return []Check{bad(name, "open the email from AWS and confirm the subscription", "none of %d subscriptions is confirmed: alarms notify no one", pending)}
	}
	if confirmed == 0 {
		return []Check{bad(name, "set alarm_emails and `terraform apply`, or add another subscription", "it has no subscriptions: alarms notify no one")}
	}
	return []Check{ok(name, "%d confirmed subscriptions, %d pending confirmation", confirmed, pending)}
}
