package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// tfModule is a module in what `terraform show -json` prints.
type tfModule struct {
	Resources []struct {
		Address string `json:"address"`
		Mode    string `json:"mode"`
		Type    string `json:"type"`
		Values  struct {
			Name      string `json:"name"`
			ID        string `json:"id"`
			ARN       string `json:"arn"`
			Role      string `json:"role"`
			Policy    string `json:"policy"`
			PolicyARN string `json:"policy_arn"`
			Inline    []struct {
				Name   string `json:"name"`
				Policy string `json:"policy"`
			} `json:"inline_policy"`
			ManagedARNs []string `json:"managed_policy_arns"`
		} `json:"values"`
	} `json:"resources"`
	Children []tfModule `json:"child_modules"`
}

// RolePolicies reads `terraform show -json` of a state, or of a plan whose
// policies are all known, and returns the policies of each role by its name. It
// fails on a policy that it cannot see, such as one that AWS manages.
func RolePolicies(show []byte) (map[string][]Policy, error) {
	var doc struct {
		Values *struct {
			RootModule tfModule `json:"root_module"`
		} `json:"values"`
		Planned *struct {
			RootModule tfModule `json:"root_module"`
		} `json:"planned_values"`
	}
	if err := json.Unmarshal(show, &doc); err != nil {
		return nil, fmt.Errorf("read the output of terraform show -json: %w", err)
	}
	r := tfRoles{roles: map[string][]Policy{}, managed: map[string]Policy{}}
	var root tfModule
	switch {
	case doc.Values != nil:
		root = doc.Values.RootModule
	case doc.Planned != nil:
		root = doc.Planned.RootModule
	default:
		return nil, fmt.Errorf("terraform show -json printed neither a state nor a plan")
	}
	// An attachment may stand before the policy that it attaches.
	for _, read := range []func(tfModule) error{r.policies, r.attachments} {
		if err := walk(root, read); err != nil {
			return nil, err
		}
	}
	return r.roles, nil
}

func walk(m tfModule, read func(tfModule) error) error {
	if err := read(m); err != nil {
		return err
	}
	for _, child := range m.Children {
		if err := walk(child, read); err != nil {
			return err
		}
	}
	return nil
}

type tfRoles struct {
	roles   map[string][]Policy
	managed map[string]Policy // by ARN
}

// policies reads roles and the documents that are written down.
func (r *tfRoles) policies(m tfModule) error {
	for _, res := range m.Resources {
		if res.Mode != "managed" {
			continue
		}
		v, err := res.Values, error(nil)
		switch res.Type {
		case "aws_iam_role":
			r.roles[v.Name] = append(r.roles[v.Name], []Policy{}...) // known, also without policies
			for _, inline := range v.Inline {
				if inline.Policy != "" {
					err = errors.Join(err, r.add(v.Name, inline.Name, inline.Policy))
				}
			}
		case "aws_iam_role_policy":
			err = r.add(v.Role, v.Name, v.Policy)
		case "aws_iam_policy":
			r.managed[v.ARN], err = parseKnown(v.Name, v.Policy)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", res.Address, err)
		}
	}
	return nil
}

// add gives a role a policy. A state shows one in the role too: it counts once.
func (r *tfRoles) add(role, name, document string) error {
	p, err := parseKnown(name, document)
	if err != nil {
		return err
	}
	if role == "" {
		return errors.New("its role is not known before the apply; use the state")
	}
	if !slices.ContainsFunc(r.roles[role], func(p Policy) bool { return p.Name == name }) {
		r.roles[role] = append(r.roles[role], p)
	}
	return nil
}

func parseKnown(name, document string) (Policy, error) {
	if document == "" {
		return Policy{}, errors.New("its document is not known before the apply; use the state")
	}
	return ParsePolicy(name, document)
}

// attachments gives roles the policies that are attached to them.
func (r *tfRoles) attachments(m tfModule) error {
	for _, res := range m.Resources {
		v := res.Values
		attached := v.ManagedARNs // a state shows attached ones in the role too
		if res.Type == "aws_iam_role_policy_attachment" {
			attached = []string{v.PolicyARN}
		}
		for _, arn := range attached {
			p, ok := r.managed[arn]
			if !ok {
				return fmt.Errorf("%s attaches %q, whose document is not here; write the permissions down", res.Address, arn)
			}
			if res.Type == "aws_iam_role_policy_attachment" {
				r.roles[v.Role] = append(r.roles[v.Role], p)
			}
		}
	}
	return nil
}

// Roles lists the names of roles in order.
func Roles(policies map[string][]Policy) []string { return slices.Sorted(maps.Keys(policies)) }
