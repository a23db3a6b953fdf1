package tabular

import (
	"slices"
	"strings"
)

// jsonPath is a column within the values of a key: "user.id", or "items[].id" for
// an array of objects, each of which becomes a row. Of several columns for one cell
// the first that has a value is used.
type jsonPath struct {
	cell  int
	key   *jsonKey
	list  bool     // there is an array on the way, the elements of which are rows
	array []string // names within the value up to the array
	steps []string // names within the value or an element; none: the value itself
}

// maxPathDepth is the depth to which columns within objects are listed.
const maxPathDepth = 3

// discover adds the columns within the values of an object.
func (s *jsonlSource) discover(object []byte) {
	p := jsonScanner{b: object}
	_ = p.object(func(name, value []byte) {
		key, ok := unescape(nil, name)
		if !ok || len(key) > maxKeyBytes {
			return
		}
		switch value[0] {
		case '{':
			s.discoverIn(string(key)+".", value, 1)
		case '[':
			s.discoverElements(string(key), value, 1)
		}
	})
}

func (s *jsonlSource) discoverElements(path string, array []byte, depth int) {
	p := jsonScanner{b: array}
	_ = p.array(func(element []byte) { // it was checked
		if element[0] == '{' {
			s.discoverIn(path+"[].", element, depth)
		}
	})
}

func (s *jsonlSource) discoverIn(prefix string, object []byte, depth int) {
	if extendedJSON(object).Kind != CellInvalid {
		return
	}
	p := jsonScanner{b: object}
	_ = p.object(func(name, value []byte) {
		path := prefix + string(name)
		switch {
		case value[0] == '{' && depth < maxPathDepth:
			s.discoverIn(path+".", value, depth+1)
			return
		case value[0] == '[' && depth < maxPathDepth && !strings.Contains(prefix, "[]."):
			s.discoverElements(path, value, depth+1)
		}
		if len(path) <= maxKeyBytes && len(s.paths) < maxKeys && !slices.Contains(s.paths, path) {
			s.paths = append(s.paths, path)
		}
	})
}

// bindPath binds a column within the values of a key, or one of several columns for
// a cell.
func (s *jsonlSource) bindPath(b Column) {
	path := jsonPath{cell: b.Cell}
	name := b.Name
	if slices.Contains(s.paths, b.Name) {
		head, rest, list := strings.Cut(b.Name, "[].")
		parts := strings.Split(head, ".")
		name, path.steps, path.list = parts[0], parts[1:], list
		if list {
			path.array, path.steps = parts[1:], strings.Split(rest, ".")
		}
	}
	path.key = s.keyCalled(name)
	path.key.kept = true
	s.nested = append(s.nested, path)
}

// keyCalled returns the key of a name, which may appear later.
func (s *jsonlSource) keyCalled(name string) *jsonKey {
	k := s.byName[name]
	if k == nil {
		k = &jsonKey{name: name}
		s.byName[name] = k
	}
	return k
}

// fillPaths fills the cells of columns within values, after the keys of an object
// were read. Elements of an array after the first are kept for the next rows.
func (s *jsonlSource) fillPaths(r *Record) {
	s.elements = s.elements[:0]
	for _, p := range s.nested {
		if !p.list || p.key.row != s.row || len(s.elements) > 0 {
			continue
		}
		if array := within(p.key.value, p.array); len(array) > 0 && array[0] == '[' {
			e := jsonScanner{b: array}
			_ = e.array(func(element []byte) { s.elements = append(s.elements, element) }) // it was checked
		}
	}
	s.fillElement(r)
	if len(s.elements) > 1 {
		s.shared = append(s.shared[:0], r.Cells...)
	}
}

// fillElement fills the cells of columns within values for the first of the elements.
func (s *jsonlSource) fillElement(r *Record) {
	for _, p := range s.nested {
		r.Cells[p.cell] = Cell{}
	}
	for _, p := range s.nested {
		if r.Cells[p.cell].Kind != CellAbsent {
			continue
		}
		var value []byte
		switch {
		case p.list && len(s.elements) > 0:
			value = s.elements[0]
		case !p.list && p.key.row == s.objectRow:
			value = p.key.value
		}
		if value = within(value, p.steps); len(value) > 0 {
			r.Cells[p.cell] = jsonCell(value)
		}
	}
}

// within returns the value that names lead to, or nil.
func within(value []byte, names []string) []byte {
	for _, name := range names {
		if len(value) == 0 || value[0] != '{' {
			return nil
		}
		value = member(value, name)
	}
	return value
}

// nextElement returns the next element of the last object as a row, and reports
// whether there was one.
func (s *jsonlSource) nextElement(r *Record) bool {
	if len(s.elements) < 2 {
		return false
	}
	s.elements = s.elements[1:]
	s.row++
	r.Row, r.Bad = s.row, ""
	copy(r.Cells, s.shared)
	s.fillElement(r)
	return true
}
