package iam

import (
	"regexp"
	"strings"
)

// matchAction compares case-insensitively.
func matchAction(pattern, action string) bool {
	return glob(strings.ToLower(pattern), strings.ToLower(action))
}

// matchResource compares ARNs as the Resource element does.
func matchResource(pattern, arn string) bool {
	if pattern == "*" {
		return true
	}
	parts := strings.SplitN(pattern, ":", arnParts)
	var re strings.Builder
	for i, part := range parts {
		if i > 0 {
			re.WriteString(":")
		}
		if i == arnParts-1 {
			re.WriteString(expression(part, `(?s:.)`)) // the name of a resource may contain colons
			continue
		}
		if body, ok := strings.CutSuffix(part, "*"); ok {
			re.WriteString(expression(body, `[^:]`) + `(?s:.)*`)
			continue
		}
		re.WriteString(expression(part, `[^:]`))
	}
	return matches(re.String(), arn)
}

// arnParts is the number of parts of an ARN; the last one may contain colons.
const arnParts = 6

// matchARN compares ARNs as the Arn operators do: part by part.
func matchARN(pattern, arn string) bool {
	want, got := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	if len(want) != arnParts || len(got) != arnParts {
		return false
	}
	for i := range want {
		if !glob(want[i], got[i]) {
			return false
		}
	}
	return true
}

// glob matches a whole text, where * matches any text and ? one character.
func glob(pattern, text string) bool {
	return matches(expression(pattern, `(?s:.)`), text)
}

func matches(expression, text string) bool {
	return regexp.MustCompile(`\A(?:` + expression + `)\z`).MatchString(text)
}

// expression converts a pattern to a regular expression; one matches any single
// character.
func expression(pattern, one string) string {
	var re strings.Builder
	for _, c := range pattern {
		switch c {
		case '*':
			re.WriteString(one + "*")
		case '?':
			re.WriteString(one)
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	return re.String()
}
