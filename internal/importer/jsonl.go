package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// jsonlSource reads one JSON object a line. Its columns are the keys seen in
// the first lines, and recflow's own names, which may appear only later.
type jsonlSource struct {
	text  textStream
	w     *window
	keys  []string
	bound []boundColumn
	row   int64
	raw   []byte
}

// ownKeys are the keys of an event and an item as recflow itself writes them.
var ownKeys = []string{
	"event_id", "user_id", "item_id", "event_type", "value", "session_id", "recommendation_id", "occurred_at",
	"title", "category", "tags", "text", "available",
}

func newJSONL(text textStream) (*jsonlSource, error) {
	s := &jsonlSource{text: text, w: newWindow(text)}
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
		return nil, errors.New("holds no JSON object in its first lines; each line must be one, as jq -c writes them")
	}
	return s, nil
}

func (s *jsonlSource) columns() []string        { return s.keys }
func (s *jsonlSource) rawText() string          { return cut(s.raw) }
func (s *jsonlSource) position() (int64, int64) { return s.w.line, s.row }
func (s *jsonlSource) Close() error             { return s.text.Close() }

// bind also watches for recflow's own keys that the first lines do not have.
func (s *jsonlSource) bind(c columnsOf) error {
	for _, k := range ownKeys {
		f := slices.IndexFunc(guesses[:], func(g guess) bool { return g.own == plain(k) })
		if c[f] < 0 && !slices.Contains(s.keys, k) {
			s.keys = append(s.keys, k)
			c[f] = len(s.keys) - 1
		}
	}
	s.bound = bindColumns(c)
	return nil
}

func (s *jsonlSource) next(r *record) error {
	for {
		r.line, r.bad = s.w.line, ""
		line, size, err := s.w.physical()
		if errors.Is(err, errTooLong) {
			s.row++
			r.row, r.bad, s.raw = s.row, errTooLong.Error(), nil
			return nil
		}
		if err != nil {
			return err
		}
		s.w.advance(size, 1)
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		s.row++
		r.row, s.raw = s.row, line
		s.decode(line, r)
		return nil
	}
}

func (s *jsonlSource) decode(line []byte, r *record) {
	if !utf8.Valid(line) {
		r.bad = "is not valid UTF-8"
		return
	}
	var object map[string]json.RawMessage
	err := json.Unmarshal(line, &object)
	if other := (*json.UnmarshalTypeError)(nil); errors.As(err, &other) || err == nil && object == nil {
		r.bad = "is not a JSON object but another value"
		return
	}
	if err != nil {
		r.bad = "is not a JSON object: " + err.Error()
		return
	}
	for _, b := range s.bound {
		r.cells[b.field] = jsonCell(object[s.keys[b.column]])
	}
}

// jsonCell keeps numbers as they are written: an id of twenty digits stays one.
func jsonCell(raw json.RawMessage) cell {
	if len(raw) == 0 {
		return cell{}
	}
	switch raw[0] {
	case 'n':
		return cell{}
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return cell{kind: cellInvalid, text: err.Error()}
		}
		if text == "" {
			return cell{}
		}
		return cell{kind: cellText, text: text}
	case '[':
		var texts []string
		if err := json.Unmarshal(raw, &texts); err != nil {
			return cell{kind: cellInvalid, text: "is a list of other things than strings"}
		}
		return cell{kind: cellList, list: texts}
	case '{':
		return cell{kind: cellInvalid, text: "is an object"}
	}
	return cell{kind: cellText, text: string(raw)}
}

var _ = []source{(*csvSource)(nil), (*jsonlSource)(nil), (*parquetSource)(nil)}
