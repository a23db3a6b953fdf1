package iam

import (
	"regexp"
	"strings"
)

// varying is a part of a key that differs from run to run: it holds a digit.
var varying = regexp.MustCompile(`[0-9]`)

// Generalise replaces what differs from run to run in the keys of objects by
// stars, the prefixes of listings too: parts with a digit in them, and all that
// follows NAME=. How a file system gets its files there is its own affair, and no
// policy looks that deep. What remains is the same whenever the same is done.
func Generalise(calls []Call) []Call {
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
