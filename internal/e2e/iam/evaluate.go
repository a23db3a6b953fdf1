package iam

import (
	"fmt"
	"maps"
	"strings"
)

// Request is a request to authorize.
type Request struct {
	Action   string            `json:"action"`            // such as s3:GetObject
	Resource string            `json:"resource"`          // ARN, or * for an action without a resource
	Context  map[string]string `json:"context,omitempty"` // condition keys of this request
}

// Outcome is the result of evaluating policies for a request.
type Outcome int

// The outcomes.
const (
	ImplicitlyDenied Outcome = iota // no statement allows it
	ExplicitlyDenied                // a statement denies it
	Allowed
)

func (o Outcome) String() string {
	return [...]string{"not allowed by any statement", "denied", "allowed"}[o]
}

// Decision is an outcome and the statement that led to it.
type Decision struct {
	Outcome Outcome
	Policy  string // empty when no statement matched
	Sid     string
}

func (d Decision) String() string {
	if d.Policy == "" {
		return d.Outcome.String()
	}
	return fmt.Sprintf("%s by statement %q of policy %s", d.Outcome, d.Sid, d.Policy)
}

// Evaluate decides whether the policies of one role allow a request. Requests are
// assumed to use TLS, like those of the AWS SDKs, unless their context says
// otherwise.
func Evaluate(policies []Policy, r Request) Decision {
	decision := Decision{}
	for _, p := range policies {
		for _, s := range p.Statements {
			if !s.matches(r) {
				continue
			}
			if s.Deny {
				return Decision{ExplicitlyDenied, p.Name, s.Sid}
			}
			if decision.Outcome != Allowed {
				decision = Decision{Allowed, p.Name, s.Sid}
			}
		}
	}
	return decision
}

func (s Statement) matches(r Request) bool {
	return len(s.matching(r)) > 0
}

// pair is one action and one resource of a statement.
type pair struct{ action, resource string }

// matching returns the pairs of a statement that match a request, or none if its
// conditions are not met.
func (s Statement) matching(r Request) (out []pair) {
	context := map[string]string{"aws:securetransport": "true"}
	for k, v := range maps.All(r.Context) {
		context[strings.ToLower(k)] = v
	}
	for _, c := range s.Condition {
		if !c.met(context) {
			return nil
		}
	}
	for _, action := range s.Actions {
		if !matchAction(action, r.Action) {
			continue
		}
		for _, resource := range s.Resources {
			if matchResource(resource, r.Resource) {
				out = append(out, pair{action, resource})
			}
		}
	}
	return out
}
