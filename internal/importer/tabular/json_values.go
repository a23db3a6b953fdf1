package tabular

import "errors"

// jsonValues finds the values of a text of JSON objects one after the other, or of
// arrays of them. It matches brackets only, so that an invalid value does not
// affect the next.
type jsonValues struct {
	array bool
	start int // of the first value, when the text was examined
	depth int // open arrays around the values: 0 or 1

	// State of the value that is read.
	at      int // scanned bytes of it
	nested  int
	quoted  bool
	escaped bool
}

// newJSONValues returns nil if a text does not begin with an object or an array of
// them.
func newJSONValues(text []byte) *jsonValues {
	v := &jsonValues{}
	size, found, err := v.separators(text)
	if err != nil || !found || text[size] != '{' {
		return nil
	}
	return &jsonValues{array: v.depth > 0, start: size}
}

func (v *jsonValues) dialect() []string {
	switch {
	case v == nil:
		return []string{"one object per line"}
	case v.array:
		return []string{"a JSON array"}
	}
	return []string{"objects one after the other"}
}

// separators returns the length of what precedes the next value, and whether there
// is a value after it.
func (v *jsonValues) separators(b []byte) (size int, found bool, err error) {
	for i, c := range b {
		switch c {
		case ' ', '\t', '\r', '\n', ',':
		case '[':
			if v.depth++; v.depth > 1 {
				return i, false, errors.New("is an array of arrays; write one array of objects")
			}
		case ']':
			if v.depth--; v.depth < 0 {
				return i, false, errors.New("a JSON array ends that did not begin")
			}
		default:
			return i, true, nil
		}
	}
	return len(b), false, nil
}

// frame continues to look for the end of the value at the start of b, and returns
// its length, or that of what it has seen.
func (v *jsonValues) frame(b []byte) (size int, done bool) {
	for ; v.at < len(b); v.at++ {
		c := b[v.at]
		switch {
		case v.escaped:
			v.escaped = false
		case v.quoted:
			v.escaped = c == '\\'
			v.quoted = c != '"'
		case c == '"':
			v.quoted = true
		case c == '{' || c == '[':
			v.nested++
		case c == '}' || c == ']':
			if v.nested == 0 { // after a scalar, or alone
				return v.end(max(v.at, 1))
			}
			if v.nested--; v.nested == 0 {
				return v.end(v.at + 1)
			}
		case v.nested == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			return v.end(v.at)
		}
	}
	return v.at, false
}

func (v *jsonValues) end(size int) (int, bool) {
	v.at, v.nested, v.quoted, v.escaped = 0, 0, false, false
	return size, true
}
