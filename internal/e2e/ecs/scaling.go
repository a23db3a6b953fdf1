package ecs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// scalingTarget is the prefix of X-Amz-Target in calls of Application Auto Scaling.
const scalingTarget = "AnyScaleFrontendService."

// scaling stores scalable targets and policies of services, as maps with the
// members of the calls and those that the API adds.
type scaling struct {
	host *Host
	http.Handler

	mu       sync.Mutex
	targets  map[string]map[string]any // by ResourceId
	policies map[string]map[string]any // by ResourceId and PolicyName
	tagged   map[string]map[string]any // by ARN
}

func newScaling(h *Host) *scaling {
	s := &scaling{host: h, targets: map[string]map[string]any{}, policies: map[string]map[string]any{}, tagged: map[string]map[string]any{}}
	s.Handler = awsjson.Service{
		Name: "Application Auto Scaling", Target: scalingTarget, MaxBody: maxBody, TooLarge: "ValidationException", Log: h.options.Log,
		Operations: map[string]awsjson.Operation{
			"RegisterScalableTarget":   awsjson.Decoded(s.register),
			"DeregisterScalableTarget": awsjson.Decoded(s.deregister),
			"DescribeScalableTargets":  awsjson.Decoded(s.describeTargets),
			"PutScalingPolicy":         awsjson.Decoded(s.putPolicy),
			"DeleteScalingPolicy":      awsjson.Decoded(s.deletePolicy),
			"DescribeScalingPolicies":  awsjson.Decoded(s.describePolicies),
			"ListTagsForResource":      awsjson.Decoded(s.tags),
			"TagResource":              awsjson.Decoded(s.tag),
		},
	}.Handler()
	return s
}

type members = map[string]any

func named(in members, name string) string { v, _ := in[name].(string); return v }

// arn returns the ARN of a target or a policy.
func (s *scaling) arn(kind, of string) string {
	return fmt.Sprintf("arn:aws:application-autoscaling:%s:000000000000:%s/%s", s.host.options.Region, kind, strings.ReplaceAll(of, "/", "-"))
}

// register stores a target, and raises the desired count of its service to the
// minimum capacity.
func (s *scaling) register(in members) (members, error) {
	id := named(in, "ResourceId")
	parts := strings.Split(id, "/")
	if len(parts) != 3 || parts[0] != "service" {
		return nil, awsjson.Refuse("ValidationException", "%q is not service/CLUSTER/SERVICE", id)
	}
	s.mu.Lock()
	t := s.targets[id]
	if t == nil {
		t = members{"ScalableTargetARN": s.arn("scalable-target", id), "SuspendedState": members{
			"DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false}}
		s.targets[id] = t
	}
	for name, value := range in {
		if name != "Tags" {
			t[name] = value
		}
	}
	if tags, given := in["Tags"].(members); given {
		s.tagged[named(t, "ScalableTargetARN")] = tags
	}
	least, _ := t["MinCapacity"].(float64)
	arn := t["ScalableTargetARN"]
	s.mu.Unlock()

	ctx := s.host.ctx
	out, err := s.host.client.DescribeServices(ctx, &awsecs.DescribeServicesInput{Cluster: &parts[1], Services: []string{parts[2]}})
	if err != nil {
		return nil, err
	}
	if len(out.Services) == 1 && float64(out.Services[0].DesiredCount) < least {
		updated, err := s.host.client.UpdateService(ctx, &awsecs.UpdateServiceInput{Cluster: &parts[1], Service: &parts[2], DesiredCount: aws.Int32(int32(least))})
		if err != nil {
			return nil, err
		}
		s.host.reconcile(state{
			ServiceArn: aws.ToString(updated.Service.ServiceArn), ServiceName: aws.ToString(updated.Service.ServiceName),
			TaskDefinition: aws.ToString(updated.Service.TaskDefinition), DesiredCount: int(updated.Service.DesiredCount),
		})
	}
	return members{"ScalableTargetARN": arn}, nil
}

func (s *scaling) deregister(in members) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := named(in, "ResourceId")
	if s.targets[id] == nil {
		return nil, awsjson.Refuse("ObjectNotFoundException", "no scalable target %s", id)
	}
	delete(s.targets, id)
	for key, p := range s.policies {
		if p["ResourceId"] == id {
			delete(s.policies, key)
		}
	}
	return members{}, nil
}

func (s *scaling) describeTargets(in struct{ ResourceIds []string }) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []any{}
	for _, id := range in.ResourceIds {
		if t := s.targets[id]; t != nil {
			out = append(out, t)
		}
	}
	return members{"ScalableTargets": out}, nil
}

func (s *scaling) putPolicy(in members) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, name := named(in, "ResourceId"), named(in, "PolicyName")
	if s.targets[id] == nil {
		return nil, awsjson.Refuse("ObjectNotFoundException", "no scalable target %s", id)
	}
	p := members{"PolicyARN": s.arn("scaling-policy", id+"/"+name), "Alarms": []any{}}
	for key, value := range in {
		p[key] = value
	}
	s.policies[id+"/"+name] = p
	return members{"PolicyARN": p["PolicyARN"], "Alarms": []any{}}, nil
}

func (s *scaling) deletePolicy(in members) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := named(in, "ResourceId") + "/" + named(in, "PolicyName")
	if s.policies[key] == nil {
		return nil, awsjson.Refuse("ObjectNotFoundException", "no scaling policy %s", key)
	}
	delete(s.policies, key)
	return members{}, nil
}

func (s *scaling) describePolicies(in struct {
	ResourceID  string `json:"ResourceId"`
	PolicyNames []string
}) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []any{}
	for _, name := range in.PolicyNames {
		if p := s.policies[in.ResourceID+"/"+name]; p != nil {
			out = append(out, p)
		}
	}
	return members{"ScalingPolicies": out}, nil
}

func (s *scaling) tags(in members) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return members{"Tags": s.tagged[named(in, "ResourceARN")]}, nil
}

func (s *scaling) tag(in members) (members, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tags, _ := in["Tags"].(members)
	s.tagged[named(in, "ResourceARN")] = tags
	return members{}, nil
}
