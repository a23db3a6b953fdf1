package tabular

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// jsonlSource reads one JSON object per line. Its columns are the keys of the
// first lines; other keys may appear later.
type jsonlSource struct {
	lineSource
	keys  []string
	bound []Column
}

func newJSONL(text textStream) (*jsonlSource, error) {
	s := &jsonlSource{lineSource: newLineSource(text)}
	for len(s.w.rest()) < 128<<10 && s.w.fill() {
	}
	for _, line := range bytes.SplitN(s.w.rest(), []byte("\n"), 101) {
		object := map[string]json.RawMessage{}
		if json.Unmarshal(line, &object) != nil {
			continue
		}
		for k := range object {
			if !slices.Contains(s.keys, k) {
				s.keys = append(s.keys, k)
			}
		}
	}
	slices.Sort(s.keys)
	if len(s.keys) == 0 {
		return nil, errors.New("has no JSON object in its first lines; each line must be one, as jq -c writes them")
	}
	return s, nil
}

func (s *jsonlSource) Columns() []string     { return s.keys }
func (s *jsonlSource) Bind(c []Column) error { s.bound = c; return nil }

func (s *jsonlSource) Next(r *Record) error {
	line, size, err := s.next(r, onlySpace)
	if err != nil || r.Bad != "" {
		return err
	}
	s.w.advance(size, 1)
	s.decode(line, r)
	return nil
}

func (s *jsonlSource) decode(line []byte, r *Record) {
	if !utf8.Valid(line) {
		r.Bad = "is not valid UTF-8"
		return
	}
	var object map[string]json.RawMessage
	err := json.Unmarshal(line, &object)
	if other := (*json.UnmarshalTypeError)(nil); errors.As(err, &other) || err == nil && object == nil {
		r.Bad = "is not a JSON object but another value"
		return
	}
	if err != nil {
		r.Bad = "is not a JSON object: " + err.Error()
		return
	}
	for _, b := range s.bound {
		r.Cells[b.Cell] = jsonCell(object[b.Name])
	}
}

// jsonCell keeps numbers as they are written, so that an id of twenty digits is
// not rounded.
func jsonCell(raw json.RawMessage) Cell {
	if len(raw) == 0 {
		return Cell{}
	}
	switch raw[0] {
	case 'n':
		return Cell{}
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return Cell{Kind: CellInvalid, Text: err.Error()}
		}
		if text == "" {
			return Cell{}
		}
		return Cell{Kind: CellText, Text: text}
	case '[':
		var texts []string
		if err := json.Unmarshal(raw, &texts); err != nil {
			return Cell{Kind: CellInvalid, Text: "is a list of values other than strings"}
		}
		return Cell{Kind: CellList, List: texts}
	case '{':
		return Cell{Kind: CellInvalid, Text: "is an object"}
	}
	return Cell{Kind: CellText, Text: string(raw)}
}
