package awsdoctor

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventstypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
)

func TestServices(t *testing.T) {
	t.Parallel()
	d, _ := newDoctor(t)
	require.Equal(t, map[string]string{"services": "it does not exist"}, failed(d.ecsServices(t.Context())), "there is no cluster")

	// The emulator has no containers to run.
	running := func(name string) types.Service {
		return types.Service{
			ServiceName: &name, Status: aws.String("ACTIVE"), DesiredCount: 2, RunningCount: 2,
			Deployments: []types.Deployment{{Status: aws.String("PRIMARY"), RolloutState: types.DeploymentRolloutStateCompleted}},
			Events:      []types.ServiceEvent{{Message: aws.String("unable to place a task")}},
		}
	}
	f := &fakeECS{services: []types.Service{running(d.Deployment.Services["worker"]), running(d.Deployment.Services["api"])}}
	d.ECS = f
	change := func(change func(*types.Service)) func() error {
		return func() error {
			f.services[0] = running(d.Deployment.Services["worker"])
			change(&f.services[0])
			return nil
		}
	}
	breaks(t, d.ecsServices, []step{
		{"runs too few", change(func(s *types.Service) { s.RunningCount = 1 }), "service worker", "1 of 2 tasks running; ECS reports: unable to place a task"},
		{"has a desired count of 0", change(func(s *types.Service) { s.DesiredCount, s.RunningCount = 0, 0 }), "service worker", "desired count is 0"},
		{"fails to deploy", change(func(s *types.Service) { s.Deployments[0].RolloutState = types.DeploymentRolloutStateFailed }), "service worker", "deployment is FAILED"},
		{"is drained", change(func(s *types.Service) { s.Status = aws.String("DRAINING") }), "service worker", "DRAINING"},
		{"is gone", func() error { f.services = f.services[:1]; return nil }, "service api", "does not exist"},
	})
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	f := fakeCloudWatch{}
	d := &Doctor{Deployment: newDeployment(), CloudWatch: f}
	require.Equal(t, map[string]string{"alarm iterator-age": "it does not exist", "alarm lambda-errors": "it does not exist"}, failed(d.alarms(t.Context())))
	for i := range 2 * alarmsAtOnce {
		d.Deployment.AlarmNames[fmt.Sprint(i)] = fmt.Sprint(i)
	}
	for _, name := range d.Deployment.AlarmNames {
		f[name] = cwtypes.StateValueOk
	}
	f["0"] = cwtypes.StateValueInsufficientData
	breaks(t, d.alarms, []step{
		{"in ALARM", func() error { f[d.Deployment.AlarmNames["iterator-age"]] = cwtypes.StateValueAlarm; return nil }, "alarm iterator-age", "in ALARM"},
		{"is in ALARM as well", func() error { f["199"] = cwtypes.StateValueAlarm; return nil }, "alarm 199", "in ALARM"},
	})
	require.Equal(t, "see docs/runbooks/199.md", d.alarms(t.Context())[0].Fix)
}

func TestRules(t *testing.T) {
	t.Parallel()
	d, c := newDoctor(t)
	require.Equal(t, map[string]string{"rule glue-failures": "it does not exist"}, failed(d.rules(t.Context())))
	api, name := eventbridge.NewFromConfig(c), aws.String(d.Deployment.RuleNames["glue-failures"])
	_, err := api.PutRule(t.Context(), &eventbridge.PutRuleInput{Name: name, EventPattern: aws.String(`{"source":["aws.glue"]}`)})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"rule glue-failures": "the topic is not a target: failures notify no one"}, failed(d.rules(t.Context())))
	_, err = api.PutTargets(t.Context(), &eventbridge.PutTargetsInput{Rule: name, Targets: []eventstypes.Target{{Id: aws.String("topic"), Arn: &d.Deployment.TopicARN}}})
	require.NoError(t, err)
	breaks(t, d.rules, []step{{"is disabled", func() error {
		_, err := api.DisableRule(t.Context(), &eventbridge.DisableRuleInput{Name: name})
		return err
	}, "rule glue-failures", "DISABLED"}})
}

func TestTopic(t *testing.T) {
	t.Parallel()
	d, c := newDoctor(t)
	require.Equal(t, map[string]string{"topic": "it does not exist"}, failed(d.topic(t.Context())))
	api := sns.NewFromConfig(c)
	made, err := api.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(d.Deployment.Cluster + "-topic")})
	require.NoError(t, err)
	require.Equal(t, d.Deployment.TopicARN, *made.TopicArn)
	require.Contains(t, failed(d.topic(t.Context()))["topic"], "has no subscriptions")
	_, err = api.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:000000000000:q")})
	require.NoError(t, err)
	require.Empty(t, failed(d.topic(t.Context())))

	d.SNS = fakeSNS{{SubscriptionArn: aws.String("PendingConfirmation")}, {SubscriptionArn: aws.String("Deleted")}}
	require.Contains(t, failed(d.topic(t.Context()))["topic"], "none of 1 subscriptions is confirmed")
	d.SNS = fakeSNS(append([]snstypes.Subscription{{SubscriptionArn: made.TopicArn}}, d.SNS.(fakeSNS)...))
	require.Empty(t, failed(d.topic(t.Context())))
}

func TestAPI(t *testing.T) {
	t.Parallel()
	f := &fakeAPI{}
	d := &Doctor{Deployment: newDeployment(), API: f, Token: true}
	breaks(t, d.api, []step{
		{"has no live version", func() error { f.live = &apiclient.Problem{Status: 409, Code: "no_live_version"}; return nil }, "live version", "there is none"},
		{"rejects the token", func() error { f.live = &apiclient.Problem{Status: 401, Detail: "unknown token"}; return nil }, "live version", "unknown token"},
		{"breaks", func() error { f.live = &apiclient.Problem{Status: 500, Detail: "it broke"}; return nil }, "live version", "it broke"},
	})
	d.Token = false
	require.Empty(t, failed(d.api(t.Context())))
	checks := d.api(t.Context())
	require.Equal(t, Skip, checks[len(checks)-1].State, "without a token it is rejected")

	f.ready = &apiclient.Problem{Status: 503, Code: "not_ready", Errors: []apiclient.Mistake{{Location: "database", Message: "has another schema"}}}
	require.Equal(t, map[string]string{"database": "it has another schema"}, failed(d.api(t.Context())))
	f.ready = &apiclient.Problem{Status: 503, Code: "not_ready", Errors: []apiclient.Mistake{{Location: "temporal", Message: "does not respond"}}}
	require.Equal(t, map[string]string{"Temporal": "it does not respond"}, failed(d.api(t.Context())))
	f.ready = &apiclient.Problem{Status: 503, Code: "unexpected"}
	require.Contains(t, failed(d.api(t.Context()))["API"], "503 Service Unavailable")
	f.ready = &apiclient.Unreachable{URL: "https://api.test", Err: errors.New("no such host")}
	require.Contains(t, failed(d.api(t.Context()))["API"], "no such host")
}

// TestDenied verifies that a caller without permissions is given the permission to
// add.
func TestDenied(t *testing.T) {
	t.Parallel()
	d := &Doctor{Deployment: newDeployment(), ECS: &fakeECS{err: fmt.Errorf("operation: %w", refusal("AccessDeniedException"))}, IAM: fakeIAM{refusal("AccessDenied")}}
	checks := d.ecsServices(context.Background())
	require.Equal(t, []Check{{Name: "services", State: Fail, Detail: "not checked: ecs:DescribeServices is denied", Fix: "grant yourself ecs:DescribeServices"}}, checks)
	for _, c := range d.permissions(context.Background()) {
		require.Equal(t, Skip, c.State, "a caller without iam:SimulatePrincipalPolicy may have a healthy deployment")
		require.Contains(t, c.Fix, "iam:SimulatePrincipalPolicy on arn:aws:iam::")
	}
}
