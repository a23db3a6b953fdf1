package iam

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tfModule is a module in the output of `terraform show -json`.
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

// RolePolicies reads `terraform show -json` of a state, or of a plan whose policies
// are all known, and returns the policies of each role by name. It returns an error
// for a policy without a visible document, such as an AWS managed one.
func RolePolicies(show []byte) (map[string][]Policy, error) {
	root, err := rootModule(show)
	if err != nil {
		return nil, err
	}
	r := tfRoles{roles: map[string][]Policy{}, managed: map[string]Policy{}}
	// An attachment may precede the policy that it attaches.
	for _, read := range []func(tfModule) error{r.policies, r.attachments} {
		if err := walk(root, read); err != nil {
			return nil, err
		}
	}
	return r.roles, nil
}

// NamesOf reads from the same output the resource names of an installation.
func NamesOf(show []byte) (Names, error) {
	root, err := rootModule(show)
	if err != nil {
		return nil, err
	}
	names := Names{Failures: "aws/lambda/"} // where Lambda puts failed batches
	err = walk(root, func(m tfModule) error {
		for _, res := range m.Resources {
			name, ok := tfNames[res.Type]
			if res.Type == "aws_kinesis_firehose_delivery_stream" {
				_, kind, _ := cutLast(res.Values.Name, "-")
				name, ok = "${"+kind+"}", true
			}
			if res.Mode != "managed" || !ok {
				continue
			}
			if names[name] != "" || res.Values.ARN == "" {
				return fmt.Errorf("%s: there are two of this kind, or its ARN is not known yet", res.Address)
			}
			names[name] = res.Values.ARN
		}
		return nil
	})
	return names, err
}

var tfNames = map[string]string{
	"aws_s3_bucket": Bucket, "aws_kinesis_stream": Stream, "aws_glue_job": GlueJob, "aws_sns_topic": Topic, "aws_kms_key": Key,
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func rootModule(show []byte) (tfModule, error) {
	type values struct {
		RootModule tfModule `json:"root_module"`
	}
	var doc struct {
		Values  *values `json:"values"`
		Planned *values `json:"planned_values"`
	}
	if err := json.Unmarshal(show, &doc); err != nil {
		return tfModule{}, fmt.Errorf("read the output of terraform show -json: %w", err)
	}
	switch {
	case doc.Values != nil:
		return doc.Values.RootModule, nil
	case doc.Planned != nil:
		return doc.Planned.RootModule, nil
	}
	return tfModule{}, errors.New("the output of terraform show -json is neither a state nor a plan")
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

// policies reads roles and their policy documents.
func (r *tfRoles) policies(m tfModule) error {
	for _, res := range m.Resources {
		if res.Mode != "managed" {
			continue
		}
		v, err := res.Values, error(nil)
		switch res.Type {
		case "aws_iam_role":
			r.roles[v.Name] = append(r.roles[v.Name], []Policy{}...) // known, even without policies
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

// add adds a policy to a role. A state lists it in the role as well; it counts
// once.
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

// attachments adds attached policies to their roles.
func (r *tfRoles) attachments(m tfModule) error {
	for _, res := range m.Resources {
		v := res.Values
		attached := v.ManagedARNs // a state also lists attached policies in the role
		if res.Type == "aws_iam_role_policy_attachment" {
			attached = []string{v.PolicyARN}
		}
		for _, arn := range attached {
			p, ok := r.managed[arn]
			if !ok {
				return fmt.Errorf("%s attaches %q, whose document is not in the output; add the permissions inline", res.Address, arn)
			}
			if res.Type == "aws_iam_role_policy_attachment" {
				r.roles[v.Role] = append(r.roles[v.Role], p)
			}
		}
	}
	return nil
}

// RoleNames returns the names of roles in order.
func RoleNames(policies map[string][]Policy) []string { return slices.Sorted(maps.Keys(policies)) }
