package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Policy is one policy document of a role.
type Policy struct {
	Name       string // for messages
	Statements []Statement
}

// Statement allows or denies.
type Statement struct {
	Sid       string
	Deny      bool
	Actions   []string
	Resources []string
	Condition []condition
}

// texts is one string or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		var many []scalar
		if err := json.Unmarshal(data, &many); err != nil {
			return err
		}
		for _, s := range many {
			*t = append(*t, string(s))
		}
		return nil
	}
	var one scalar
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*t = texts{string(one)}
	return nil
}

// scalar is a string, or a bool written without quotes.
type scalar string

func (s *scalar) UnmarshalJSON(data []byte) error {
	if string(data) == "true" || string(data) == "false" {
		*s = scalar(data)
		return nil
	}
	return json.Unmarshal(data, (*string)(s))
}

// statements is one statement or a list of them.
type statements []statement

func (s *statements) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return strict(data, (*[]statement)(s))
	}
	*s = make(statements, 1)
	return strict(data, &(*s)[0])
}

type statement struct {
	Sid       string
	Effect    string
	Action    texts
	Resource  texts
	Condition map[string]map[string]texts
}

// strict decodes JSON and rejects unknown fields: an ignored part of a policy may
// be the deciding one.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// ParsePolicy reads a policy document of an identity.
func ParsePolicy(name, document string) (Policy, error) {
	var doc struct {
		Version   string
		ID        string `json:"Id"`
		Statement statements
	}
	if err := strict([]byte(document), &doc); err != nil {
		return Policy{}, fmt.Errorf("read policy %s: %w", name, err)
	}
	if doc.Version != "2012-10-17" {
		return Policy{}, fmt.Errorf("read policy %s: Version is %q; write 2012-10-17", name, doc.Version)
	}
	p := Policy{Name: name}
	for i, s := range doc.Statement {
		parsed, err := s.parse()
		if err != nil {
			return Policy{}, fmt.Errorf("read policy %s: statement %d (%s): %w", name, i+1, s.Sid, err)
		}
		p.Statements = append(p.Statements, parsed)
	}
	return p, nil
}

func (s statement) parse() (Statement, error) {
	out := Statement{Sid: s.Sid, Deny: s.Effect == "Deny", Actions: s.Action, Resources: s.Resource}
	switch {
	case s.Effect != "Allow" && s.Effect != "Deny":
		return out, fmt.Errorf("Effect is %q; it is Allow or Deny", s.Effect)
	case len(s.Action) == 0:
		return out, errors.New("it has no Action")
	case len(s.Resource) == 0:
		return out, errors.New("it has no Resource")
	}
	for _, a := range s.Action {
		if service, _, ok := strings.Cut(a, ":"); a != "*" && (!ok || service == "") {
			return out, fmt.Errorf("action %q is not SERVICE:NAME", a)
		}
	}
	for _, r := range s.Resource {
		if r != "*" && !strings.HasPrefix(r, "arn:") {
			return out, fmt.Errorf("resource %q is not an ARN", r)
		}
		if strings.Contains(r, "${") {
			return out, fmt.Errorf("resource %q has a policy variable, which is not supported", r)
		}
	}
	var err error
	out.Condition, err = parseConditions(s.Condition)
	return out, err
}
