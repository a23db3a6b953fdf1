package firehose

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
)

const (
	maxPrefix = 512 // characters, after evaluation

	errorType     = "!{firehose:error-output-type}"
	unreadable    = "processing-failed" // replaces !{firehose:error-output-type}
	defaultSuffix = "!{timestamp:yyyy/MM/dd/HH/}"
)

// expression is !{namespace:value}.
var expression = regexp.MustCompile(`!\{([^:{}]*):([^{}]*)\}`)

// completePrefixes checks the prefixes of s against AWS's rules and adds the parts
// that AWS adds.
func completePrefixes(s Stream) (Stream, error) {
	hasExpression := expression.MatchString(s.Prefix)
	switch {
	case strings.Contains(s.Prefix, errorType):
		return s, fmt.Errorf("Prefix can't contain %s", errorType)
	case s.ErrorPrefix == "" && hasExpression:
		return s, errors.New("ErrorPrefix can't be empty when Prefix contains expressions")
	case expression.MatchString(s.ErrorPrefix) && !strings.Contains(s.ErrorPrefix, errorType):
		return s, fmt.Errorf("ErrorPrefix has expressions, but not %s", errorType)
	}
	if s.ErrorPrefix == "" {
		s.ErrorPrefix = s.Prefix + errorType + "/" + defaultSuffix
	}
	if !strings.Contains(s.Prefix, "!{timestamp:") {
		s.Prefix += defaultSuffix
	}
	for _, p := range []string{s.Prefix, s.ErrorPrefix} {
		text, err := evaluate(p, time.Unix(0, 0))
		if err != nil {
			return s, fmt.Errorf("prefix %q: %w", p, err)
		}
		if n := len([]rune(text)); n > maxPrefix {
			return s, fmt.Errorf("prefix of %d characters; at most %d are accepted", n, maxPrefix)
		}
	}
	return s, nil
}

// evaluate replaces the expressions of a prefix.
func evaluate(prefix string, at time.Time) (text string, err error) {
	text = expression.ReplaceAllStringFunc(prefix, func(found string) string {
		if found == errorType {
			return unreadable
		}
		part := expression.FindStringSubmatch(found)
		if part[1] != "timestamp" {
			err = fmt.Errorf("%s is not supported here", found)
			return ""
		}
		value, wrong := formatTime(part[2], at.UTC())
		err = errors.Join(err, wrong)
		return value
	})
	if err == nil && strings.Contains(text, "!{") {
		err = errors.New("!{ is not the beginning of an expression")
	}
	return text, err
}

// layouts are the supported patterns of Java's DateTimeFormatter, and Go's
// equivalents.
var layouts = map[string]string{"yyyy": "2006", "MM": "01", "dd": "02", "HH": "15", "mm": "04", "ss": "05"}

// formatTime formats a time by a pattern of Java's DateTimeFormatter. Text in
// single quotes is literal; two single quotes are one, inside and outside of
// quotes.
func formatTime(pattern string, at time.Time) (string, error) {
	var out strings.Builder
	quoted := false
	for runes := []rune(pattern); len(runes) > 0; {
		c, n := runes[0], 1
		switch {
		case c == '\'' && len(runes) > 1 && runes[1] == '\'':
			out.WriteRune(c)
			n = 2
		case c == '\'':
			quoted = !quoted
		case quoted || !unicode.IsLetter(c):
			out.WriteRune(c)
		default:
			for n < len(runes) && runes[n] == c {
				n++
			}
			layout, ok := layouts[string(runes[:n])]
			if !ok {
				return "", fmt.Errorf("the pattern %s is not supported here", string(runes[:n]))
			}
			out.WriteString(at.Format(layout))
		}
		runes = runes[n:]
	}
	if quoted {
		return "", fmt.Errorf("the quotation in %q is not closed", pattern)
	}
	return out.String(), nil
}
