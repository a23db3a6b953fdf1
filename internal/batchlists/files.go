package batchlists

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/recflow/recflow/internal/recommend"
)

// maxFileBytes is the size from which a file gets no further row group.
const maxFileBytes = 256 << 20

// Files writes lists as Parquet files of limited size. A file is complete on the
// local disk before it is put. Not safe for concurrent use.
type Files struct {
	// Dir is the directory of the temporary files; empty: the system's default.
	Dir string
	// K is the maximum number of items in a list.
	K int
	// MaxBytes is the size from which a file gets no further row group; 0: 256 MiB.
	MaxBytes int64
	// Put stores a complete file. Parts are numbered from 0.
	Put func(part int, content io.ReadSeeker, rows, bytes int64) error

	part int
	file *os.File // of the current part; nil: none
	w    *writer
	size int64 // bytes in file
}

// Write adds the list of a user, who must come after all earlier ones. generatedAt is
// a time before the state of the user was read.
func (f *Files) Write(l recommend.List, generatedAt time.Time) error {
	if f.file == nil {
		if err := f.begin(); err != nil {
			return err
		}
	}
	complete, err := f.w.write(l, generatedAt.UTC().Truncate(time.Millisecond))
	if err != nil {
		return fmt.Errorf("write lists: %w", err)
	}
	if complete && f.size >= cmp.Or(f.MaxBytes, maxFileBytes) {
		return f.end()
	}
	return nil
}

// Close puts the last file. Call it once, after the last list. Without lists there is
// one file without rows.
func (f *Files) Close() error {
	if f.file == nil && f.part == 0 {
		if err := f.begin(); err != nil {
			return err
		}
	}
	if f.file == nil {
		return nil
	}
	return f.end()
}

// Abort removes an incomplete file. It may be called after Close.
func (f *Files) Abort() {
	if f.file != nil {
		f.file.Close()
		f.file = nil
	}
}

// begin creates a temporary file that disappears with the process.
func (f *Files) begin() error {
	file, err := os.CreateTemp(f.Dir, "lists-*.parquet")
	if err != nil {
		return fmt.Errorf("create a temporary file of lists: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		file.Close()
		return fmt.Errorf("create a temporary file of lists: %w", err)
	}
	f.file, f.size = file, 0
	f.w = newWriter(counted{f}, f.K)
	return nil
}

// end completes the current file and puts it.
func (f *Files) end() error {
	defer f.Abort()
	if err := f.w.close(); err != nil {
		return fmt.Errorf("write lists: %w", err)
	}
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read lists back: %w", err)
	}
	if err := f.Put(f.part, f.file, f.w.n, f.size); err != nil {
		return err
	}
	f.part++
	return nil
}

// counted writes to the current file and counts the bytes.
type counted struct{ *Files }

func (c counted) Write(p []byte) (int, error) {
	n, err := c.file.Write(p)
	c.size += int64(n)
	return n, err
}
