package tabular

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// byteOrderMark is the prefix that Windows programs write before UTF-8 text.
const byteOrderMark = "\xef\xbb\xbf"

// examined is how much of a text is examined before its first row is read, in bytes.
const examined = 128 << 10

var (
	errNotUTF8 = errors.New("is not UTF-8 text (UTF-16, or binary); convert it, for example with iconv -f UTF-16 -t UTF-8")
	errBinary  = errors.New("is binary, not text; save it as CSV, JSON lines or Parquet")
)

// CheckEncoding returns an error if name is not the name of an encoding, as the
// WHATWG lists them: utf-8, utf-16le, windows-1252, iso-8859-1. "" is detected.
func CheckEncoding(name string) error {
	_, err := encodingOf(name)
	return err
}

func encodingOf(name string) (encoding.Encoding, error) {
	if name == "" {
		return nil, nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil, fmt.Errorf("the encoding %.40q is unknown; use for example utf-8, utf-16, windows-1252 or iso-8859-1", name)
	}
	return e, nil
}

// decode converts a text to UTF-8 without a byte order mark. If name is empty, it
// detects UTF-16, and returns an error for other encodings that a text looks like.
func decode(text textStream, name string) (textStream, error) {
	e, err := encodingOf(name)
	if err != nil {
		return text, err
	}
	head, err := text.Peek(examined)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return text, err
	}
	switch little, big := bytes.HasPrefix(head, []byte{0xff, 0xfe}), bytes.HasPrefix(head, []byte{0xfe, 0xff}); {
	case bytes.HasPrefix(head, []byte(byteOrderMark)):
		_, _ = text.Discard(len(byteOrderMark)) // already peeked
		return text, nil
	case little || e == nil && zeros(head) == 1:
		return text.decoded("UTF-16LE", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)), nil
	case big || e == nil && zeros(head) == 0:
		return text.decoded("UTF-16BE", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)), nil
	case e != nil:
		canonical, _ := htmlindex.Name(e) // it was found by name
		if canonical == "utf-8" {
			return text, nil
		}
		return text.decoded(canonical, e), nil
	case bytes.IndexByte(head[:min(len(head), 4096)], 0) >= 0:
		return text, errBinary
	case looksLikeWindows1252(head):
		return text, errors.New("is not UTF-8 text; it looks like Windows-1252 or Latin-1; read it with --encoding windows-1252")
	}
	return text, nil
}

func (t textStream) decoded(name string, e encoding.Encoding) textStream {
	t.Reader = bufio.NewReaderSize(e.NewDecoder().Reader(t.Reader), cap256K)
	t.notes = append(t.notes, "encoding "+name)
	return t
}

// zeros returns whether the zero bytes of a text are at even (0) or odd (1)
// positions, as in UTF-16 text of mostly Latin letters, or -1.
func zeros(head []byte) int {
	head = head[:len(head)&^1]
	var at [2]int
	for i, c := range head {
		if c == 0 {
			at[i&1]++
		}
	}
	for i := range at {
		if at[i] > len(head)/4 && at[1-i] == 0 {
			return i
		}
	}
	return -1
}

// looksLikeWindows1252 reports whether a text has letters beyond ASCII in a
// single-byte encoding. A stray byte in UTF-8 text rejects its row only.
func looksLikeWindows1252(head []byte) bool {
	letters := false
	for i := 0; i < len(head); {
		if head[i] < utf8.RuneSelf {
			i++
			continue
		}
		if r, size := utf8.DecodeRune(head[i:]); r != utf8.RuneError {
			return false
		} else if size == 1 && !utf8.FullRune(head[i:]) {
			break // cut by the end
		}
		if strings.IndexByte("\x81\x8d\x8f\x90\x9d", head[i]) >= 0 { // no characters of it
			return false
		}
		if head[i] >= 0xc0 && (i > 0 && isLetter(head[i-1]) || i+1 < len(head) && isLetter(head[i+1])) {
			letters = true
		}
		i++
	}
	return letters
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// NewTextReader returns a reader of the text without its byte order mark. It
// rejects UTF-16 with a byte order mark. It reads no more bytes than it needs,
// so it works with interactive input.
func NewTextReader(r io.Reader) (io.Reader, error) {
	text := bufio.NewReader(r)
	first, err := text.Peek(1)
	switch {
	case len(first) == 0 && !errors.Is(err, io.EOF):
		return nil, err
	case len(first) == 0:
	case first[0] >= 0xfe: // never in UTF-8 text
		return nil, errNotUTF8
	case first[0] == byteOrderMark[0]:
		if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
			_, _ = text.Discard(len(byteOrderMark)) // already peeked
		}
	}
	return text, nil
}

// macLines replaces the carriage returns that end the lines of a text by line
// feeds, as old programs on the Mac write them.
type macLines struct{ r io.Reader }

func (m macLines) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	for i := range n {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

// endsLinesWithCR reports whether the first line of a text ends with a carriage
// return alone.
func endsLinesWithCR(head []byte) bool {
	i := bytes.IndexAny(head, "\r\n")
	return i >= 0 && i+1 < len(head) && head[i] == '\r' && head[i+1] != '\n'
}
