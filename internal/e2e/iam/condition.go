package iam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// condition is one operator on one key.
type condition struct {
	key      string // lower case
	values   []string
	holds    func(value, actual string) bool
	negated  bool // none of the values may match
	ifExists bool // a request without the key satisfies it
	null     bool // tests only whether the request has the key
}

// operators are those that our policies use, and their opposites.
var operators = map[string]condition{
	"StringEquals":              {holds: func(value, actual string) bool { return value == actual }},
	"StringNotEquals":           {holds: func(value, actual string) bool { return value == actual }, negated: true},
	"StringEqualsIgnoreCase":    {holds: strings.EqualFold},
	"StringNotEqualsIgnoreCase": {holds: strings.EqualFold, negated: true},
	"StringLike":                {holds: glob},
	"StringNotLike":             {holds: glob, negated: true},
	"Bool":                      {holds: strings.EqualFold},
	"ArnEquals":                 {holds: matchARN},
	"ArnLike":                   {holds: matchARN},
	"ArnNotEquals":              {holds: matchARN, negated: true},
	"ArnNotLike":                {holds: matchARN, negated: true},
}

func parseConditions(in map[string]map[string]texts) ([]condition, error) {
	var out []condition
	for _, name := range slices.Sorted(maps.Keys(in)) {
		base, ifExists := strings.CutSuffix(name, "IfExists")
		operator, known := operators[base]
		if name == "Null" {
			operator, known, ifExists = condition{null: true}, true, false
		}
		if !known {
			return nil, fmt.Errorf("unsupported condition operator %s", name)
		}
		for _, key := range slices.Sorted(maps.Keys(in[name])) {
			c := operator
			c.key, c.values, c.ifExists = strings.ToLower(key), in[name][key], ifExists
			for _, v := range c.values {
				if strings.Contains(v, "${") {
					return nil, fmt.Errorf("condition value %q has a policy variable, which is not supported", v)
				}
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// met reports whether a request satisfies the condition. The keys of context are in
// lower case.
func (c condition) met(context map[string]string) bool {
	actual, has := context[c.key]
	if c.null {
		return slices.ContainsFunc(c.values, func(v string) bool { return strings.EqualFold(v, "true") != has })
	}
	if !has {
		return c.ifExists || c.negated
	}
	any := slices.ContainsFunc(c.values, func(v string) bool { return c.holds(v, actual) })
	return any != c.negated
}
