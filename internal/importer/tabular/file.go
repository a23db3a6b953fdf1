package tabular

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
)

// File is a file to read: seekable, hashed, and then read as a stream.
type File struct {
	// Encoding is the encoding of a text, see CheckEncoding. If it is empty,
	// UTF-8 and UTF-16 are detected, and others are an error that names them.
	Encoding string

	// Constants are columns that every row has besides those of the file. They
	// are part of the file's digest.
	Constants []Constant

	name  string // path as given, for messages
	file  *os.File
	bytes int64
	sha   string       // of the original bytes, compressed or not
	read  atomic.Int64 // bytes read by the stream, for progress
}

const stdinName = "standard input"

// Open opens and hashes a file; progress is called with the number of hashed
// bytes. A path of "-" is standard input, which is first copied to a temporary
// file in dir, because its hash is needed before its first row.
func Open(ctx context.Context, path string, stdin io.Reader, dir string, progress func(int64)) (*File, error) {
	if path == "-" {
		return OpenStream(ctx, stdinName, stdin, dir, progress)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return hashed(ctx, &File{name: path, file: file}, nil, progress)
}

// OpenStream copies a stream to a temporary file in dir and hashes it. The name is
// for messages; progress is called with the number of copied bytes.
func OpenStream(ctx context.Context, name string, r io.Reader, dir string, progress func(int64)) (*File, error) {
	file, err := TempFile(dir)
	if err != nil {
		return nil, err
	}
	return hashed(ctx, &File{name: name, file: file}, r, progress)
}

// Peek returns the columns of the first rows of a file, or an error that is
// ErrNoRows, with the reason, if it has none.
func Peek(path, format, encoding string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	f := File{Encoding: encoding, name: path, file: file, bytes: st.Size()}
	source, _, err := f.records(format)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if p, ok := source.(*parquetSource); ok {
		if p.file.NumRows() == 0 {
			return nil, ErrNoRows
		}
		return p.names, nil
	}
	if err := source.Next(&Record{}); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w below its header", ErrNoRows)
	}
	return source.Columns(), nil
}

// hashed hashes a file or, if r is not nil, the stream that it is copied from.
func hashed(ctx context.Context, f *File, r io.Reader, progress func(int64)) (_ *File, err error) {
	hash := sha256.New()
	if r == nil {
		f.bytes, err = copyUntil(ctx, hash, f.file, progress)
	} else {
		f.bytes, err = copyUntil(ctx, io.MultiWriter(hash, f.file), r, progress)
	}
	if err != nil {
		f.file.Close()
		return nil, fmt.Errorf("read %s: %w", f.name, err)
	}
	f.sha = hex.EncodeToString(hash.Sum(nil))
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Name returns the path as given, for messages.
func (f *File) Name() string { return f.name }

// Base returns the file's name without its folder.
func (f *File) Base() string {
	if f.name == stdinName {
		return "stdin"
	}
	return filepath.Base(f.name)
}

// Size returns the length of the file in bytes.
func (f *File) Size() int64 { return f.bytes }

// SHA256 returns the hash of the file's bytes, compressed or not, and of its
// constants, in hex.
func (f *File) SHA256() string { return withConstants(f.sha, f.Constants) }

// BytesRead returns how much of the file has been read as a stream.
func (f *File) BytesRead() int64 { return f.read.Load() }

// Unchanged returns an error if the file's size changed since it was hashed.
func (f *File) Unchanged() error {
	st, err := f.file.Stat()
	if err != nil {
		return err
	}
	if st.Size() != f.bytes {
		return fmt.Errorf("%s changed while it was read; import it again", f.name)
	}
	return nil
}

// Records returns a source of the file's records from its beginning. If the
// format is Auto, it detects and returns it. A file without anything to read, not
// even a header, is ErrNoRows.
func (f *File) Records(format string) (Source, string, error) {
	s, format, err := f.records(format)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", f.name, err)
	}
	return addConstants(s, f.Constants), format, nil
}

func (f *File) records(format string) (Source, string, error) {
	head, err := f.head()
	if err != nil {
		return nil, "", err
	}
	if f.bytes == 0 {
		return nil, "", errEmpty
	}
	if string(head) == "PAR1" || format == Parquet {
		if format != Parquet && format != Auto {
			return nil, "", fmt.Errorf("is a Parquet file, not %s", format)
		}
		s, err := openParquet(f)
		return s, Parquet, err
	}
	text, err := f.text()
	if err != nil {
		return nil, "", err
	}
	s, format, err := openText(text, format, f.Encoding)
	if err != nil {
		text.Close()
		return nil, "", err
	}
	return s, format, nil
}

// Lines calls each for every line of the file that is not blank, numbered as
// the rows of a JSON Lines file. The text is valid until each returns. A line
// of more than 1 MiB is passed to refuse, as a bad record.
func (f *File) Lines(ctx context.Context, each func(row, line int64, text []byte) error, refuse func(Record) error) error {
	text, err := f.text()
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	defer text.Close()
	if text, err = decode(text, f.Encoding); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	for s := newLineSource(text); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var r Record
		line, size, err := s.next(&r, onlySpace)
		switch {
		case errors.Is(err, io.EOF):
			return f.Unchanged()
		case err != nil:
			return fmt.Errorf("%s:%d: %w", f.name, r.Line, err)
		case r.Bad != "":
			err = refuse(r)
		default:
			s.w.advance(size, 1)
			err = each(r.Row, r.Line, line)
		}
		if err != nil {
			return err
		}
	}
}

// text returns the file decompressed, from its beginning.
func (f *File) text() (textStream, error) {
	head, err := f.head()
	if err != nil {
		return textStream{}, err
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return textStream{}, err
	}
	return decompressed(counted{f}, head)
}

// head returns the first four bytes of the file, or all of them if it is
// shorter.
func (f *File) head() ([]byte, error) {
	var head [4]byte
	n, err := f.file.ReadAt(head[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}

// counted counts the bytes that are read from a file.
type counted struct{ *File }

func (c counted) Read(p []byte) (int, error) {
	n, err := c.file.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// TempFile returns a temporary file that disappears with the process, even if
// it is killed.
func TempFile(dir string) (*os.File, error) {
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
