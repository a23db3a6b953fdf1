package tabular

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// jsonlSource reads JSON objects: one per line, or else the values of a text that
// is one array or objects one after the other, over any number of lines. Its
// columns are the keys of the first objects; Columns grows by the keys that first
// appear later.
type jsonlSource struct {
	lineSource
	values *jsonValues // nil: one object per line
	bound  []Column
	keys   []*jsonKey
	byName map[string]*jsonKey
	first  int      // number of keys of the first objects
	paths  []string // columns within the values of the first objects

	nested    []jsonPath
	elements  [][]byte // rest of the elements of the last object
	shared    []Cell   // its cells
	objectRow int64    // its first row
	next1     int      // index of the key that probably follows: objects have the same order
}

// jsonKey is a key of the objects.
type jsonKey struct {
	name   string
	column bool  // it is in Columns
	cells  []int // of a record
	row    int64 // the last one that has the key
	kept   bool  // its value is used by paths
	value  []byte
}

// Limits of the columns, so that objects with ids as keys use little memory.
const (
	maxKeys     = 10_000
	maxKeyBytes = 256
)

const firstObjects = 100

func newJSONL(text textStream) (*jsonlSource, error) {
	s := &jsonlSource{lineSource: newLineSource(text), byName: map[string]*jsonKey{}}
	for len(s.w.rest()) < 128<<10 && s.w.fill() {
	}
	head := s.w.rest()
	if !oneObject(firstLine(head)) {
		if v := newJSONValues(head); v != nil {
			s.values = v
		}
	}
	for range firstObjects {
		object, rest := s.ahead(head)
		if object == nil && rest == nil {
			break
		}
		head = rest
		p := jsonScanner{b: object}
		if p.object(func(name, _ []byte) { s.key(name) }) == nil {
			s.discover(object)
		}
	}
	slices.Sort(s.paths)
	slices.SortFunc(s.keys, func(a, b *jsonKey) int { return strings.Compare(a.name, b.name) })
	if len(s.keys) == 0 {
		return nil, errors.New("has no JSON object in its first lines; each line must be one, as jq -c writes them, or the file one array of them")
	}
	s.first = len(s.keys)
	return s, nil
}

// ahead returns the first object of a text and what follows it, both nil if there
// is none.
func (s *jsonlSource) ahead(text []byte) (object, rest []byte) {
	if s.values == nil {
		object, rest, found := bytes.Cut(text, []byte("\n"))
		if !found && len(object) == 0 {
			return nil, nil
		}
		return object, rest
	}
	v := newJSONValues(text)
	if v == nil {
		return nil, nil
	}
	size, done := v.frame(text[v.start:])
	if !done {
		return nil, nil
	}
	return text[v.start : v.start+size], text[v.start+size:]
}

func firstLine(b []byte) []byte {
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		if !found || !onlySpace(line) {
			return line
		}
		b = rest
	}
}

func oneObject(line []byte) bool {
	p := jsonScanner{b: line}
	if p.object(nil) != nil {
		return false
	}
	p.space()
	return p.i == len(line)
}

func (s *jsonlSource) Columns() []string {
	names := make([]string, 0, len(s.keys)+len(s.paths))
	for i, k := range s.keys {
		if i == s.first {
			names = append(names, s.paths...)
		}
		names = append(names, k.name)
	}
	if len(s.keys) == s.first {
		names = append(names, s.paths...)
	}
	return names
}

func (s *jsonlSource) Dialect() []string {
	return append(s.values.dialect(), s.lineSource.Dialect()...)
}

func (s *jsonlSource) Bind(c []Column) error {
	s.bound = c
	for _, k := range s.byName {
		k.cells, k.kept = nil, false
	}
	s.nested = nil
	columns := map[int]int{} // of a cell
	for _, b := range c {
		columns[b.Cell]++
	}
	for _, b := range c {
		if columns[b.Cell] > 1 || slices.Contains(s.paths, b.Name) && s.byName[b.Name] == nil {
			s.bindPath(b)
			continue
		}
		k := s.keyCalled(b.Name)
		k.cells = append(k.cells, b.Cell)
	}
	return nil
}

// key returns the key of a name between quotes, or nil if it is not recorded.
func (s *jsonlSource) key(name []byte) *jsonKey {
	if s.next1 < len(s.keys) && s.keys[s.next1].name == string(name) {
		s.next1++
		return s.keys[s.next1-1]
	}
	k := s.byName[string(name)]
	if k == nil && bytes.IndexByte(name, '\\') >= 0 {
		if plain, ok := unescape(nil, name); ok && bytes.IndexByte(plain, '\\') < 0 {
			return s.key(plain)
		}
	}
	if (k == nil || !k.column) && len(name) <= maxKeyBytes && len(s.keys) < maxKeys && utf8.Valid(name) {
		if k == nil {
			k = &jsonKey{name: string(name)}
			s.byName[k.name] = k
		}
		k.column = true
		s.keys = append(s.keys, k)
	}
	return k
}

func (s *jsonlSource) Next(r *Record) error {
	if s.nextElement(r) {
		return nil
	}
	if s.values != nil {
		return s.nextValue(r)
	}
	line, size, err := s.next(r, onlySpace)
	if err != nil || r.Bad != "" {
		return err
	}
	s.w.advance(size, 1)
	s.decode(line, r)
	return nil
}

func (s *jsonlSource) decode(object []byte, r *Record) {
	for _, b := range s.bound {
		r.Cells[b.Cell] = Cell{}
	}
	s.elements = s.elements[:0]
	if !utf8.Valid(object) {
		r.Bad = "is not valid UTF-8"
		return
	}
	p := jsonScanner{b: object}
	p.space()
	if p.i == len(object) || object[p.i] != '{' {
		r.Bad = "is not a JSON object but another value"
		if _, err := p.value(); err != nil {
			r.Bad = "is not a JSON object: " + err.Error()
		}
		return
	}
	twice := ""
	s.next1 = 0
	err := p.object(func(name, value []byte) {
		k := s.key(name)
		if k == nil {
			return
		}
		if k.row == s.row {
			twice = k.name
		}
		k.row = s.row
		if k.kept {
			k.value = value
		}
		for _, c := range k.cells {
			r.Cells[c] = jsonCell(value)
		}
	})
	if p.space(); err == nil && p.i < len(object) {
		err = p.expected("the end of the line")
	}
	switch {
	case err != nil:
		r.Bad = "is not a JSON object: " + err.Error()
	case twice != "":
		r.Bad = fmt.Sprintf("has the field %.60q twice", twice)
	case s.nested != nil:
		s.objectRow = s.row
		s.fillPaths(r)
	}
}

// nextValue reads the next value of a text that is not one object per line.
func (s *jsonlSource) nextValue(r *Record) error {
	v := s.values
	r.Bad = ""
	for {
		size, found, err := v.separators(s.w.rest())
		s.w.advance(size, bytes.Count(s.w.rest()[:size], []byte{'\n'}))
		if err != nil {
			return err
		}
		if found {
			break
		}
		if !s.w.fill() {
			if errors.Is(s.w.err, io.EOF) && v.depth > 0 {
				return errors.New("the JSON array is not closed; the file is truncated")
			}
			return s.w.err
		}
	}
	s.row++
	r.Row, r.Line = s.row, s.w.line
	size, skipped := 0, false
	for done := false; !done; {
		if size, done = v.frame(s.w.rest()); done {
			break
		}
		if size > maxRecord { // only its beginning is of use
			skipped = true
			s.raw = append([]byte(nil), s.w.rest()[:maxRaw+1]...)
		}
		if skipped {
			s.w.advance(size, bytes.Count(s.w.rest()[:size], []byte{'\n'}))
			v.at = 0
		}
		if !s.w.fill() {
			if !errors.Is(s.w.err, io.EOF) {
				return s.w.err
			}
			return errors.New("the file ends inside a JSON value; it is truncated")
		}
	}
	text := s.w.rest()[:size]
	if !skipped {
		s.raw = text
	}
	s.w.advance(size, bytes.Count(text, []byte{'\n'}))
	if skipped || size > maxRecord {
		r.Bad = "object is longer than 1 MiB"
		return nil
	}
	s.decode(text, r)
	return nil
}
