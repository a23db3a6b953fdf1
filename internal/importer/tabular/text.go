package tabular

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// textStream is a decompressed file: a buffered reader with the resources to
// close.
type textStream struct {
	*bufio.Reader
	close func()
}

func (t textStream) Close() error { t.close(); return nil }

// decompressed detects the compression by the first bytes, not by the file
// name.
func decompressed(r io.Reader, head []byte) (textStream, error) {
	const buffer = 256 << 10
	raw := bufio.NewReaderSize(r, buffer)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return textStream{}, fmt.Errorf("open gzip: %w", err)
		}
		return textStream{bufio.NewReaderSize(named{z, "gzip"}, buffer), func() { z.Close() }}, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// The largest window of `zstd --long` without further options.
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return textStream{}, fmt.Errorf("open zstd: %w", err)
		}
		return textStream{bufio.NewReaderSize(named{z, "zstd"}, buffer), z.Close}, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return textStream{}, errors.New("is a zip archive or a spreadsheet; unpack it, or save it as CSV")
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte("\xfd7zX")):
		return textStream{}, errors.New("is compressed with bzip2 or xz; decompress it, or use gzip or zstd")
	}
	return textStream{raw, func() {}}, nil
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

// byteOrderMark is the prefix that Windows programs write before UTF-8 text.
const byteOrderMark = "\xef\xbb\xbf"

var errNotUTF8 = errors.New("is not UTF-8 text (UTF-16, or binary); convert it, for example with iconv -f UTF-16 -t UTF-8")

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

// openText detects the format by the beginning of a text and returns its
// source.
func openText(text textStream, format string) (Source, string, error) {
	head, err := text.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, "", err
	}
	if bytes.HasPrefix(head, []byte(byteOrderMark)) {
		_, _ = text.Discard(len(byteOrderMark)) // already peeked
		head = head[len(byteOrderMark):]
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) || bytes.IndexByte(head, 0) >= 0 {
		return nil, "", errNotUTF8
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return nil, "", errors.New("is a Parquet file inside gzip or zstd; decompress it first")
	}
	start := bytes.TrimLeft(head, " \t\r\n")
	if len(start) == 0 {
		return nil, "", errors.New("has no rows")
	}
	if format == Auto {
		format = CSV
		if start[0] == '{' {
			format = JSONL
		}
	}
	if start[0] == '[' && format == JSONL || bytes.HasPrefix(start, []byte("[{")) {
		return nil, "", errors.New("is one JSON array; write one object per line, for example with jq -c '.[]'")
	}
	if format == JSONL {
		s, err := newJSONL(text)
		return s, format, err
	}
	s, err := newCSV(text)
	return s, format, err
}
