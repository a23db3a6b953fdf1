package iam

import (
	"regexp"
	"strings"
)

// varying is a part of a key that differs from run to run: it contains a digit.
var varying = regexp.MustCompile(`[0-9]`)

// Generalize replaces the parts of object keys and listing prefixes that differ
// from run to run by stars: parts with a digit, and everything after NAME=. How a
// file system writes files below that is not restricted by any policy. The result
// is the same for every run of the same operations.
func Generalize(calls []Call) []Call {
	out := make([]Call, len(calls))
	for i, c := range calls {
		if bucket, key, ok := strings.Cut(c.Resource, "/"); ok && strings.HasPrefix(c.Action, "s3:") {
			c.Resource = bucket + "/" + generalKey(key)
		}
		if prefix, ok := c.Context["s3:prefix"]; ok {
			c.Context = map[string]string{"s3:prefix": generalKey(prefix)}
		}
		out[i] = c
	}
	return Distinct(out)
}

func generalKey(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		if name, _, ok := strings.Cut(part, "="); ok {
			return strings.Join(append(parts[:i], name+"=*"), "/")
		}
		if varying.MatchString(part) {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}
