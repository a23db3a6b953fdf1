package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is how deep the values of an object may be nested.
const maxJSONDepth = 200

// jsonScanner checks and splits JSON without decoding it. It is stricter than a
// framing and more lenient than RFC 8259 in one point: NaN, Infinity and
// -Infinity are values, because Python's json writes them.
type jsonScanner struct {
	b     []byte
	i     int
	depth int
}

var (
	errJSONEnd   = errors.New("it ends too early")
	errJSONDepth = fmt.Errorf("it is nested more than %d deep", maxJSONDepth)
)

func (p *jsonScanner) expected(what string) error {
	if p.i >= len(p.b) {
		return errJSONEnd
	}
	return fmt.Errorf("byte %d should be %s", p.i+1, what)
}

func (p *jsonScanner) space() {
	for p.i < len(p.b) && (p.b[p.i] == ' ' || p.b[p.i] == '\t' || p.b[p.i] == '\n' || p.b[p.i] == '\r') {
		p.i++
	}
}

// next skips space and one byte, and reports whether it was c.
func (p *jsonScanner) next(c byte) bool {
	p.space()
	if p.i < len(p.b) && p.b[p.i] == c {
		p.i++
		return true
	}
	return false
}

// object calls each with every member of the object at the current position: its
// name between the quotes, and its value as it is written.
func (p *jsonScanner) object(each func(name, value []byte)) error {
	if !p.next('{') {
		return p.expected("{")
	}
	if p.depth++; p.depth > maxJSONDepth {
		return errJSONDepth
	}
	for first := true; ; first = false {
		if first && p.next('}') {
			break
		}
		if p.space(); p.i == len(p.b) || p.b[p.i] != '"' {
			return p.expected("the name of a field")
		}
		name, err := p.text()
		if err != nil {
			return err
		}
		if !p.next(':') {
			return p.expected("a colon")
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		if each != nil {
			each(name, value)
		}
		if p.next(',') {
			continue
		}
		if !p.next('}') {
			return p.expected("a comma or }")
		}
		break
	}
	p.depth--
	return nil
}

// array calls each with every value of the array at the current position.
func (p *jsonScanner) array(each func(value []byte)) error {
	if !p.next('[') {
		return p.expected("[")
	}
	if p.depth++; p.depth > maxJSONDepth {
		return errJSONDepth
	}
	for first := true; ; first = false {
		if first && p.next(']') {
			break
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		if each != nil {
			each(value)
		}
		if p.next(',') {
			continue
		}
		if !p.next(']') {
			return p.expected("a comma or ]")
		}
		break
	}
	p.depth--
	return nil
}

// value skips a value and returns it as it is written.
func (p *jsonScanner) value() ([]byte, error) {
	p.space()
	start := p.i
	if start == len(p.b) {
		return nil, errJSONEnd
	}
	var err error
	switch c := p.b[start]; {
	case c == '{':
		err = p.object(nil)
	case c == '[':
		err = p.array(nil)
	case c == '"':
		_, err = p.text()
	case c == '-' || c >= '0' && c <= '9':
		err = p.number()
	default:
		err = p.word("true", "false", "null", "NaN", "Infinity")
	}
	return p.b[start:p.i], err
}

// text skips a string and returns what is between its quotes.
func (p *jsonScanner) text() ([]byte, error) {
	p.i++
	for start := p.i; p.i < len(p.b); p.i++ {
		switch c := p.b[p.i]; {
		case c == '"':
			p.i++
			return p.b[start : p.i-1], nil
		case c < ' ':
			return nil, p.expected("escaped: it is a control character")
		case c == '\\':
			if p.i++; p.i == len(p.b) {
				return nil, errJSONEnd
			}
			if p.b[p.i] == 'u' {
				if _, ok := hex4(p.b[p.i+1:]); !ok {
					return nil, p.expected("followed by four hexadecimal digits")
				}
			} else if bytes.IndexByte([]byte(`"\/bfnrt`), p.b[p.i]) < 0 {
				return nil, p.expected("an escape")
			}
		}
	}
	return nil, errJSONEnd
}

func (p *jsonScanner) number() error {
	if p.b[p.i] == '-' {
		if p.i++; p.i < len(p.b) && p.b[p.i] == 'I' {
			return p.word("Infinity")
		}
	}
	if p.i < len(p.b) && p.b[p.i] == '0' {
		p.i++
	} else if !p.digits() {
		return p.expected("a digit")
	}
	if p.i < len(p.b) && p.b[p.i] == '.' {
		if p.i++; !p.digits() {
			return p.expected("a digit")
		}
	}
	if p.i < len(p.b) && (p.b[p.i] == 'e' || p.b[p.i] == 'E') {
		if p.i++; p.i < len(p.b) && (p.b[p.i] == '+' || p.b[p.i] == '-') {
			p.i++
		}
		if !p.digits() {
			return p.expected("a digit")
		}
	}
	return nil
}

func (p *jsonScanner) digits() bool {
	start := p.i
	for p.i < len(p.b) && p.b[p.i] >= '0' && p.b[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}

func (p *jsonScanner) word(words ...string) error {
	for _, w := range words {
		if bytes.HasPrefix(p.b[p.i:], []byte(w)) {
			p.i += len(w)
			return nil
		}
	}
	return p.expected("a value")
}

// unescape decodes what is between the quotes of a checked string. It reports
// false if an escaped surrogate has no partner.
func unescape(to, s []byte) ([]byte, bool) {
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(to, s...), true
		}
		to = append(to, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		if j := bytes.IndexByte([]byte("bfnrt"), c); j >= 0 {
			to = append(to, "\b\f\n\r\t"[j])
			continue
		}
		if c != 'u' {
			to = append(to, c)
			continue
		}
		r, _ := hex4(s)
		s = s[4:]
		if utf16.IsSurrogate(r) {
			if !bytes.HasPrefix(s, []byte(`\u`)) {
				return to, false
			}
			low, _ := hex4(s[2:])
			if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
				return to, false
			}
			s = s[6:]
		}
		to = utf8.AppendRune(to, r)
	}
	return to, true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}
