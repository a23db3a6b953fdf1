package stream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// parser reads one JSON object as an event. After an invalid field it
// continues, so that the id of a faulty event is found at any position.
type parser struct {
	json  *json.Decoder
	seen  map[string]bool
	event recsys.Event
	fault *Fault // the first one
}

// errSyntax means that the rest of the text is not JSON.
var errSyntax = errors.New("syntax")

func parse(raw []byte) *parser {
	p := &parser{json: json.NewDecoder(bytes.NewReader(raw)), seen: make(map[string]bool, 16)}
	p.json.UseNumber()
	switch {
	case p.object() != nil:
		p.setFault(NotJSON, "the event is not a JSON object")
	case loneSurrogate(raw):
		p.setFault(NotUTF8, "a text has an unpaired surrogate escape")
	}
	return p
}

func (p *parser) setFault(reason, format string, args ...any) {
	if p.fault == nil {
		p.fault = &Fault{reason, fmt.Sprintf(format, args...)}
	}
}

func (p *parser) token() (json.Token, error) {
	t, err := p.json.Token()
	if err != nil {
		return nil, errSyntax
	}
	return t, nil
}

// object reads the event and requires that nothing follows it.
func (p *parser) object() error {
	if t, err := p.token(); err != nil || t != json.Delim('{') {
		return errSyntax
	}
	for p.json.More() {
		name, err := p.token()
		if err != nil {
			return err
		}
		if err := p.field(name.(string)); err != nil {
			return err
		}
	}
	if _, err := p.token(); err != nil {
		return err
	}
	if _, err := p.json.Token(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	return nil
}

// field reads the value of a field. Names are exact; unknown ones are skipped.
func (p *parser) field(name string) error {
	if p.seen[name] {
		p.setFault(DuplicateField, "a field occurs twice")
	}
	p.seen[name] = true
	switch name {
	case "event_id":
		return p.text(name, &p.event.EventID)
	case "user_id":
		return p.text(name, &p.event.UserID)
	case "item_id":
		return p.text(name, &p.event.ItemID)
	case "event_type":
		return p.text(name, &p.event.EventType)
	case "session_id":
		return p.text(name, &p.event.SessionID)
	case "recommendation_id":
		return p.text(name, &p.event.RecommendationID)
	case "occurred_at":
		return p.time()
	case "value":
		return p.number()
	default:
		_, err := p.skip()
		return err
	}
}

// skip reads one value of any kind: a scalar, nil for null, or the delimiter that
// ends an object or an array.
func (p *parser) skip() (scalar json.Token, err error) {
	for depth := 1; ; {
		t, err := p.token()
		if err != nil {
			return nil, err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
			if depth > MaxDepth {
				p.setFault(TooDeep, "the JSON is nested more than %d deep", MaxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			scalar = t
		}
		if depth == 1 {
			if _, end := t.(json.Delim); end {
				return json.Delim('}'), nil
			}
			return scalar, nil
		}
	}
}

// text reads a string; null counts as absent.
func (p *parser) text(name string, to *string) error {
	v, err := p.skip()
	if err != nil || v == nil {
		return err
	}
	s, ok := v.(string)
	if !ok {
		p.setFault(BadID, "%s is not a string", name)
		return nil
	}
	*to = s
	return nil
}

func (p *parser) number() error {
	v, err := p.skip()
	if err != nil || v == nil {
		return err
	}
	n, ok := v.(json.Number)
	if !ok {
		p.setFault(BadValue, "value is not a number")
		return nil
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || math.IsInf(f, 0) {
		p.setFault(BadValue, "value is out of range for a double")
		return nil
	}
	p.event.Value = &f
	return nil
}

func (p *parser) time() error {
	v, err := p.skip()
	if err != nil || v == nil {
		return err
	}
	var t time.Time
	s, ok := v.(string)
	if !ok || t.UnmarshalText([]byte(s)) != nil {
		p.setFault(BadTime, "occurred_at is not an RFC 3339 time with a zone")
		return nil
	}
	p.event.OccurredAt = micros(t)
	return nil
}

// loneSurrogate reports whether valid JSON escapes an unpaired surrogate, which
// encoding/json would silently replace.
func loneSurrogate(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		raw = raw[i+1:]
		if raw[0] != 'u' {
			raw = raw[1:]
			continue
		}
		high := hex4(raw[1:])
		raw = raw[5:]
		switch {
		case high >= 0xDC00 && high < 0xE000:
			return true
		case high >= 0xD800 && high < 0xDC00:
			if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
				return true
			}
			if low := hex4(raw[2:]); low < 0xDC00 || low >= 0xE000 {
				return true
			}
			raw = raw[6:]
		}
	}
}

func hex4(b []byte) uint64 {
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	if err != nil {
		return 0
	}
	return n
}
