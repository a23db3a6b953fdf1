package importer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// input is a file to import: seekable, hashed, and read once more as a stream.
type input struct {
	name  string // for messages: the path as given
	file  *os.File
	bytes int64
	sha   string       // of the bytes as they are, compressed or not
	read  atomic.Int64 // bytes read by the stream, for progress
}

// openInput opens and hashes a file. A path of "-" is standard input, which is
// first copied to a temporary file without a name: its hash is needed before
// its first row.
func openInput(ctx context.Context, path string, stdin io.Reader, dir string, progress func(int64)) (*input, error) {
	in := &input{name: path}
	var err error
	if path == "-" {
		in.name = "standard input"
		if in.file, err = anonymousFile(dir); err != nil {
			return nil, err
		}
	} else if in.file, err = os.Open(path); err != nil {
		return nil, err
	}
	hash := sha256.New()
	if path == "-" {
		in.bytes, err = copyUntil(ctx, io.MultiWriter(hash, in.file), stdin, progress)
	} else {
		in.bytes, err = copyUntil(ctx, hash, in.file, progress)
	}
	if err == nil {
		_, err = in.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		in.file.Close()
		return nil, fmt.Errorf("read %s: %w", in.name, err)
	}
	in.sha = hex.EncodeToString(hash.Sum(nil))
	return in, nil
}

// unchanged refuses a file that grew or shrank between hashing and reading it.
func (in *input) unchanged() error {
	st, err := in.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() != in.bytes {
		return fmt.Errorf("%s changed while it was read; import it again", in.name)
	}
	return nil
}

// Read counts what the stream has consumed.
func (in *input) Read(p []byte) (int, error) {
	n, err := in.file.Read(p)
	in.read.Add(int64(n))
	return n, err
}

// anonymousFile is a temporary file that disappears with the process, even one
// that is killed.
func anonymousFile(dir string) (*os.File, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(dir, "import-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

func copyUntil(ctx context.Context, w io.Writer, r io.Reader, progress func(int64)) (int64, error) {
	buf := make([]byte, 1<<20)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return total, err
			}
			total += int64(n)
			progress(total)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// The formats of a file. A folder may also be formatMovieLens.
const (
	formatAuto      = "auto"
	formatCSV       = "csv"
	formatJSONL     = "jsonl"
	formatParquet   = "parquet"
	formatMovieLens = "movielens"
)

// open finds out the format, unless it is given, and starts reading.
func (in *input) open(format string) (source, string, error) {
	var head [4]byte
	n, err := in.file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", err
	}
	if in.bytes == 0 {
		return nil, "", fmt.Errorf("%s is empty", in.name)
	}
	if string(head[:n]) == "PAR1" || format == formatParquet {
		if format != formatParquet && format != formatAuto {
			return nil, "", fmt.Errorf("%s is a Parquet file, not %s", in.name, format)
		}
		s, err := openParquet(in)
		return s, formatParquet, err
	}
	text, err := unpacked(in, head[:n])
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", in.name, err)
	}
	s, format, err := openText(text, format)
	if err != nil {
		text.Close()
		return nil, "", fmt.Errorf("%s: %w", in.name, err)
	}
	return s, format, nil
}

// textStream is a decompressed file: a buffered reader with what must be closed.
type textStream struct {
	*bufio.Reader
	close func()
}

func (t textStream) Close() error { t.close(); return nil }

// unpacked decompresses by the first bytes, whatever the file is called.
func unpacked(in *input, head []byte) (textStream, error) {
	const buffer = 256 << 10
	raw := bufio.NewReaderSize(in, buffer)
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return textStream{}, fmt.Errorf("open gzip: %w", err)
		}
		return textStream{bufio.NewReaderSize(named{z, "gzip"}, buffer), func() { z.Close() }}, nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// The longest window of `zstd --long` without further options.
		z, err := zstd.NewReader(raw, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return textStream{}, fmt.Errorf("open zstd: %w", err)
		}
		return textStream{bufio.NewReaderSize(named{z, "zstd"}, buffer), z.Close}, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return textStream{}, errors.New("is a zip archive or a spreadsheet; unpack it, or save it as CSV")
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte("\xfd7zX")):
		return textStream{}, errors.New("is packed with bzip2 or xz; unpack it, or use gzip or zstd")
	}
	return textStream{raw, func() {}}, nil
}

// named says which decompressor failed, and that a stream was cut off.
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
		return k, fmt.Errorf("the %s stream ends too early; the file is cut off", n.kind)
	}
	return k, fmt.Errorf("the %s stream is damaged: %w", n.kind, err)
}

// byteOrderMark is what Windows programs write before a text in UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

var errNotUTF8 = errors.New("is not UTF-8 text (UTF-16, or binary); convert it, for example with iconv -f UTF-16 -t UTF-8")

// Text reads a text without the byte order mark that may stand before it. It
// refuses UTF-16 that begins with its own mark. It waits for no more than the
// bytes it needs, so that somebody may type the text.
func Text(r io.Reader) (io.Reader, error) {
	text := bufio.NewReader(r)
	first, err := text.Peek(1)
	switch {
	case len(first) == 0 && !errors.Is(err, io.EOF):
		return nil, err
	case len(first) == 0:
	case first[0] >= 0xfe: // in no UTF-8 text
		return nil, errNotUTF8
	case first[0] == byteOrderMark[0]:
		if head, _ := text.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
			_, _ = text.Discard(len(byteOrderMark)) // was peeked
		}
	}
	return text, nil
}

// openText looks at the beginning of a text and chooses its reader.
func openText(text textStream, format string) (source, string, error) {
	head, err := text.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, "", err
	}
	if bytes.HasPrefix(head, []byte(byteOrderMark)) {
		_, _ = text.Discard(len(byteOrderMark)) // was peeked
		head = head[len(byteOrderMark):]
	}
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) || bytes.IndexByte(head, 0) >= 0 {
		return nil, "", errNotUTF8
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		return nil, "", errors.New("is a Parquet file inside gzip or zstd; unpack it first")
	}
	start := bytes.TrimLeft(head, " \t\r\n")
	if len(start) == 0 {
		return nil, "", errors.New("has no rows")
	}
	if format == formatAuto {
		format = formatCSV
		if start[0] == '{' {
			format = formatJSONL
		}
	}
	if start[0] == '[' && format == formatJSONL || bytes.HasPrefix(start, []byte("[{")) {
		return nil, "", errors.New("is one JSON array; write an object a line, for example with jq -c '.[]'")
	}
	if format == formatJSONL {
		s, err := newJSONL(text)
		return s, format, err
	}
	s, err := newCSV(text)
	return s, format, err
}

// base is the file's name without its folder, for messages and keys of records.
func (in *input) base() string {
	if in.name == "standard input" {
		return "stdin"
	}
	return filepath.Base(in.name)
}
