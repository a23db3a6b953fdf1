package tabular

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const cap256K = 256 << 10

// ErrNoRows means that a file has no rows, and nothing else that could be read.
var ErrNoRows = errors.New("has no rows")

var errEmpty = fmt.Errorf("is empty: %w", ErrNoRows)

// textStream is a decompressed file: a buffered reader with the resources to
// close, and how the file is written.
type textStream struct {
	*bufio.Reader
	close func()
	notes []string
}

func (t textStream) Close() error { t.close(); return nil }

// unreadable are the first bytes of files that people have and that are not read.
var unreadable = []struct{ magic, why string }{
	{"PK\x03\x04", "is a zip archive or a spreadsheet; unpack it with unzip, or save it as CSV"},
	{"\xd0\xcf\x11\xe0", "is a spreadsheet; save it as CSV"},
	{"\xfd7zX", "is compressed with xz; decompress it, or use gzip, zstd or bzip2"},
	{"7z\xbc\xaf", "is a 7z archive; unpack it"},
	{"\x04\x22\x4d\x18", "is compressed with lz4; decompress it, or use gzip, zstd or bzip2"},
	{"Obj\x01", "is an Avro file; write it as Parquet, JSON lines or CSV"},
	{"ORC", "is an ORC file; write it as Parquet, JSON lines or CSV"},
}

// decompressed detects the compression by the first bytes, not by the file
// name.
func decompressed(r io.Reader, head []byte) (textStream, error) {
	raw := bufio.NewReaderSize(r, cap256K)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return textStream{}, fmt.Errorf("open gzip: %w", err)
		}
		return unpacked(z, "gzip", func() { z.Close() }), nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// The largest window of `zstd --long` without further options.
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return textStream{}, fmt.Errorf("open zstd: %w", err)
		}
		return unpacked(z, "zstd", z.Close), nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return unpacked(bzip2.NewReader(raw), "bzip2", func() {}), nil
	}
	for _, u := range unreadable {
		if bytes.HasPrefix(head, []byte(u.magic)) && (u.magic != "ORC" || len(head) == 3 || head[3] < ' ') {
			return textStream{}, errors.New(u.why)
		}
	}
	return textStream{Reader: raw, close: func() {}}, nil
}

func unpacked(r io.Reader, kind string, closeIt func()) textStream {
	return textStream{Reader: bufio.NewReaderSize(named{r, kind}, cap256K), close: closeIt, notes: []string{kind}}
}

// named adds the name of the decompressor to an error, and reports a truncated
// stream.
type named struct {
	r    io.Reader
	kind string
}

func (n named) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	switch {
	case err == nil || err == io.EOF:
		return k, err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return k, fmt.Errorf("the %s stream ends too early; the file is truncated", n.kind)
	}
	return k, fmt.Errorf("the %s stream is damaged: %w", n.kind, err)
}

// openText detects the encoding and the format by the beginning of a text and
// returns its source.
func openText(text textStream, format, encoding string) (Source, string, error) {
	text, err := decode(text, encoding)
	if err != nil {
		return nil, "", err
	}
	head, err := text.Peek(examined)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, "", err
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return nil, "", errors.New("is a Parquet file inside gzip, zstd or bzip2; decompress it first")
	}
	start := bytes.TrimLeft(head, " \t\r\n")
	if len(start) == 0 || start[0] == '[' && string(bytes.TrimSpace(start[1:])) == "]" {
		return nil, "", ErrNoRows
	}
	if format == Auto {
		format = CSV
		if start[0] == '{' || beginsJSONArray(start) {
			format = JSONL
		}
	}
	if format == JSONL {
		s, err := newJSONL(text)
		return s, format, err
	}
	if endsLinesWithCR(head) {
		text.Reader = bufio.NewReaderSize(macLines{text.Reader}, cap256K)
		text.notes = append(text.notes, "carriage returns end the lines")
	}
	s, err := newCSV(text)
	return s, format, err
}

// beginsJSONArray reports whether a text begins with an array of objects or an
// empty one.
func beginsJSONArray(start []byte) bool {
	if start[0] != '[' {
		return false
	}
	first := bytes.TrimLeft(start[1:], " \t\r\n")
	return len(first) > 0 && (first[0] == '{' || first[0] == ']')
}
