package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Permission is one action on one resource that a statement allows.
type Permission struct {
	Policy, Sid      string
	Action, Resource string // as in the policy
}

func (p Permission) String() string {
	return fmt.Sprintf("%s on %s (statement %q of policy %s)", p.Action, p.Resource, p.Sid, p.Policy)
}

// Exemption is a set of permissions that no recorded call needs, and the reason for
// granting them. Action and Resource are patterns for the policy's values.
type Exemption struct {
	Action, Resource string
	Reason           string
}

func (e Exemption) covers(p Permission) bool {
	return matchAction(e.Action, p.Action) && glob(e.Resource, p.Resource)
}

// Denial is a call that the policies do not allow.
type Denial struct {
	Call     Call
	Decision Decision
}

// Report lists the differences between a role's policies and its components' calls.
type Report struct {
	Role    string
	Denied  []Denial     // a permission is missing
	Unknown []Call       // calls that could not be classified
	Unused  []Permission // no call needs them
	Stale   []Exemption  // they exempt nothing, or have no reason
}

// Compare compares the calls of a role's components with its policies.
func Compare(role string, policies []Policy, calls []Call, exempt []Exemption) Report {
	r := Report{Role: role}
	used := map[Permission]bool{}
	for _, c := range Distinct(calls) {
		if c.Problem != "" {
			r.Unknown = append(r.Unknown, c)
			continue
		}
		if d := Evaluate(policies, c.Request); d.Outcome != Allowed {
			r.Denied = append(r.Denied, Denial{c, d})
			continue
		}
		for _, p := range policies {
			for _, s := range p.Statements {
				for _, m := range s.matching(c.Request) {
					used[Permission{p.Name, s.Sid, m.action, m.resource}] = true
				}
			}
		}
	}
	exempts := make([]bool, len(exempt))
	for _, p := range permissions(policies) {
		if used[p] {
			continue
		}
		i := slices.IndexFunc(exempt, func(e Exemption) bool { return e.covers(p) })
		if i < 0 {
			r.Unused = append(r.Unused, p)
			continue
		}
		exempts[i] = true
	}
	for i, e := range exempt {
		if !exempts[i] || e.Reason == "" {
			r.Stale = append(r.Stale, e)
		}
	}
	return r
}

// permissions returns the allowed permissions, pair by pair.
func permissions(policies []Policy) (out []Permission) {
	for _, p := range policies {
		for _, s := range p.Statements {
			if s.Deny {
				continue
			}
			for _, action := range s.Actions {
				for _, resource := range s.Resources {
					out = append(out, Permission{p.Name, s.Sid, action, resource})
				}
			}
		}
	}
	return out
}

// Err returns nil if policies and calls agree, and otherwise an error with every
// difference and its fix.
func (r Report) Err() error {
	var lines []string
	for _, d := range r.Denied {
		lines = append(lines, fmt.Sprintf("missing: %s is %s; allow it or stop calling it", d.Call, d.Decision))
	}
	for _, c := range r.Unknown {
		lines = append(lines, fmt.Sprintf("unknown: %s; add it to internal/e2e/callrecorder", c))
	}
	for _, p := range r.Unused {
		lines = append(lines, fmt.Sprintf("unused: %s; remove it, or exempt it with a reason", p))
	}
	for _, e := range r.Stale {
		lines = append(lines, fmt.Sprintf("stale: the exemption of %s on %s (%q) exempts nothing or has no reason; remove it", e.Action, e.Resource, e.Reason))
	}
	if lines == nil {
		return nil
	}
	return errors.New("the permissions of " + r.Role + " differ from its calls:\n  " + strings.Join(lines, "\n  "))
}
