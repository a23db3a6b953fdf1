package stream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// Limits of a compressed record. They bound the memory of a batch, which has at
// most 6 MB.
const (
	maxUnpacked      = 1 << 20 // bytes
	maxUnpackedTimes = 50      // of the compressed size
)

var errTooManyEvents = &Fault{BadAggregate, fmt.Sprintf("the record has more than %d events", MaxAggregated)}

// eventsOf takes a record apart: an aggregated one, and each part that is gzip, or
// base64 once more, or several JSON objects.
func eventsOf(data []byte) ([][]byte, *Fault) {
	parts, fault := deaggregate(data)
	if fault != nil {
		return nil, fault
	}
	var events [][]byte
	for _, part := range parts {
		plain, fault := unwrap(part)
		if fault != nil && len(parts) == 1 {
			return nil, fault
		}
		if fault != nil { // the part is quarantined alone
			plain = part
		}
		if several := split(plain); several != nil {
			events = append(events, several...)
		} else {
			events = append(events, plain)
		}
		if len(events) > MaxAggregated {
			return nil, errTooManyEvents
		}
	}
	return events, nil
}

// unwrap returns the JSON in a record that some producers encode once more in
// base64, or compress.
func unwrap(data []byte) ([]byte, *Fault) {
	if plain := fromBase64(data); plain != nil {
		data = plain
	}
	if !isGzip(data) {
		return data, nil
	}
	plain, err := gunzip(data, min(maxUnpacked, maxUnpackedTimes*len(data)))
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &Fault{TooLarge, fmt.Sprintf("the gzip data unpacks to more than %d bytes or %d times its size", maxUnpacked, maxUnpackedTimes)}
	case err != nil:
		return nil, &Fault{BadEncoding, "the record is gzip data that cannot be unpacked"}
	}
	return plain, nil
}

func isGzip(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }

// fromBase64 decodes base64 text whose content is JSON or gzip, and returns nil for
// anything else. An event never looks like base64: it begins with a brace.
func fromBase64(data []byte) []byte {
	data = bytes.TrimSpace(data)
	if len(data) < 8 || data[0] == '{' || data[0] == '[' || isGzip(data) {
		return nil
	}
	text := bytes.TrimRight(data, "=")
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	plain := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(plain, text)
	if plain = plain[:n]; err != nil {
		return nil
	}
	if start := bytes.TrimSpace(plain); isGzip(plain) || len(start) > 0 && (start[0] == '{' || start[0] == '[') {
		return plain
	}
	return nil
}

var errTooLarge = errors.New("too large")

func gunzip(data []byte, limit int) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	plain, err := io.ReadAll(io.LimitReader(z, int64(limit)+1))
	if err == nil && len(plain) > limit {
		err = errTooLarge
	}
	return plain, err
}

// split takes JSON apart that is an array of objects, objects one after the other,
// or an object per line. It returns nil for anything else, such as one event.
func split(data []byte) [][]byte {
	text := bytes.TrimSpace(data)
	switch {
	case len(text) == 0:
		return nil
	case text[0] == '[':
		if text[len(text)-1] != ']' {
			return nil
		}
		return objects(text[1:len(text)-1], ',')
	case text[0] != '{' || objectEnd(text) == len(text):
		return nil
	}
	if lines := objectLines(text); lines != nil {
		return lines
	}
	return objects(text, 0)
}

// objectLines returns the lines of a text if each looks like an object, even an
// invalid one, and there are several.
func objectLines(text []byte) [][]byte {
	var out [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' || line[len(line)-1] != '}' {
			return nil
		}
		if out = append(out, line); len(out) > MaxAggregated {
			break
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// objects returns the objects of a text, with a separator between them unless it
// is zero. It returns nil if there is anything else.
func objects(text []byte, separator byte) [][]byte {
	var out [][]byte
	for text = bytes.TrimSpace(text); len(text) > 0; text = bytes.TrimSpace(text) {
		if separator != 0 && len(out) > 0 {
			if text[0] != separator {
				return nil
			}
			text = bytes.TrimSpace(text[1:])
		}
		end := objectEnd(text)
		if end == 0 {
			return nil
		}
		if out = append(out, text[:end]); len(out) > MaxAggregated {
			break
		}
		text = text[end:]
	}
	return out
}

// objectEnd returns the length of the object at the start of a text, by its
// brackets alone, or 0 if it has no end.
func objectEnd(text []byte) int {
	if len(text) == 0 || text[0] != '{' {
		return 0
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}
