package mapping

import (
	"encoding/json"
	"strconv"
	"strings"
)

// listText parses a list that is written as text: JSON (["a", "b"]), Python
// (['a', 'b']), without quotes ([a, b c]), or the text of an array in Postgres
// ({a,"b c"}) or numpy (['a' 'b']).
// Of objects, as in [{'id': 1, 'name': 'a'}], the names are used. It reports whether
// the text is a list.
func listText(s string) ([]string, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 2 || len(s) > maxListText {
		return nil, false
	}
	switch {
	case s[0] == '[' && s[len(s)-1] == ']', s[0] == '(' && s[len(s)-1] == ')':
		var values []any
		if s[0] == '[' && json.Unmarshal([]byte(s), &values) == nil {
			return namesOf(values)
		}
		if s[0] == '[' && !strings.ContainsAny(s[1:], "'\"[{") {
			return words(s[1 : len(s)-1]), true
		}
		p := literal{s: s}
		v, ok := p.value(0)
		p.space()
		if list, isList := v.([]any); ok && isList && p.i == len(s) {
			return namesOf(list)
		}
	case s[0] == '{' && s[len(s)-1] == '}':
		return arrayText(s[1 : len(s)-1])
	}
	return nil, false
}

// maxListText limits the length of a list as text, in bytes.
const maxListText = 1 << 20

// namesOf returns the texts of a list: strings, numbers, and the names of objects.
func namesOf(values []any) ([]string, bool) {
	out := []string{}
	for _, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			out = append(out, v)
		case map[string]any:
			for _, key := range []string{"name", "title", "label", "value", "id"} {
				if name, ok := v[key].(string); ok {
					out = append(out, name)
					break
				}
			}
		case []any:
			inner, ok := namesOf(v)
			if !ok {
				return nil, false
			}
			out = append(out, inner...)
		default:
			text, err := json.Marshal(v)
			if err != nil {
				return nil, false
			}
			out = append(out, string(text))
		}
	}
	return out, true
}

// words splits a list without quotes.
func words(s string) []string {
	out := []string{}
	for w := range strings.SplitSeq(s, ",") {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

// literal parses a literal of Python: lists, tuples, dictionaries, strings, numbers,
// None, True and False.
type literal struct {
	s string
	i int
}

// maxNesting limits the depth of a literal.
const maxNesting = 8

func (p *literal) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// next reports whether the next character is c, and consumes it if it is.
func (p *literal) next(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *literal) value(depth int) (any, bool) {
	p.space()
	if p.i == len(p.s) || depth > maxNesting {
		return nil, false
	}
	switch c := p.s[p.i]; c {
	case '[':
		return p.list(']', depth)
	case '(':
		return p.list(')', depth)
	case '{':
		return p.dictionary(depth)
	case '\'', '"':
		return p.text(c)
	}
	start := p.i
	for p.i < len(p.s) && strings.IndexByte(",]})(:[{'\" \t\r\n", p.s[p.i]) < 0 {
		p.i++
	}
	switch word := p.s[start:p.i]; word {
	case "None", "nan", "null":
		return nil, true
	case "True", "False":
		return strings.ToLower(word), true
	default:
		_, err := strconv.ParseFloat(word, 64)
		return word, err == nil
	}
}

// list parses the values up to the closing character. Commas may be missing, as in
// the text of a numpy array.
func (p *literal) list(closing byte, depth int) (any, bool) {
	p.i++
	out := []any{}
	for !p.next(closing) {
		v, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		out = append(out, v)
		p.next(',')
	}
	return out, true
}

func (p *literal) dictionary(depth int) (any, bool) {
	p.i++
	out := map[string]any{}
	for !p.next('}') {
		key, ok := p.value(depth + 1)
		name, isText := key.(string)
		if !ok || !isText || !p.next(':') {
			return nil, false
		}
		if out[name], ok = p.value(depth + 1); !ok {
			return nil, false
		}
		p.next(',')
	}
	return out, true
}

func (p *literal) text(quote byte) (any, bool) {
	var b strings.Builder
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == quote:
			p.i++
			return b.String(), true
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			b.WriteString(unescaped(p.s[p.i]))
		default:
			b.WriteByte(c)
		}
	}
	return nil, false
}

func unescaped(c byte) string {
	switch c {
	case 'n', 'r', 't':
		return " "
	case '\'', '"', '\\':
		return string(c)
	}
	return `\` + string(c)
}

// arrayText parses the inside of Postgres's text of an array of texts.
func arrayText(s string) ([]string, bool) {
	if strings.ContainsAny(s, "{}:") {
		return nil, false // an object, or an array of arrays
	}
	out := []string{}
	p := literal{s: s}
	for p.space(); p.i < len(s); p.space() {
		var v any
		if s[p.i] == '"' {
			text, ok := p.text('"')
			if !ok {
				return nil, false
			}
			v = text
		} else {
			start := p.i
			for p.i < len(s) && s[p.i] != ',' {
				p.i++
			}
			v = strings.TrimSpace(s[start:p.i])
		}
		if text, _ := v.(string); text != "" && text != "NULL" {
			out = append(out, text)
		}
		p.next(',')
	}
	return out, true
}
