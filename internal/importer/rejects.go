package importer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/recflow/recflow/internal/importer/report"
)

// Reject is a rejected row.
type Reject struct {
	File   string `json:"file"`
	Line   int64  `json:"line,omitempty"` // absent in a format without lines
	Row    int64  `json:"row"`            // 1-based data row
	Reason string `json:"reason"`
	Text   string `json:"text,omitempty"` // the row as written, at most 4 KiB of it
}

// Place returns the reject's file:line, in the format of editors.
func (r Reject) Place() string {
	if r.Line == 0 {
		return fmt.Sprintf("%s: row %d", r.File, r.Row)
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

const (
	shownRejects = 5         // per file, in the result
	keptRejects  = 1_000_000 // in a rejects file, so that a wrong file does not fill the disk
)

// rejects is the file of rejected rows, JSON lines. It is created with the
// first one and is readable by its owner only, because it contains users' data.
type rejects struct {
	path string // empty: only count
	file *os.File
	w    *bufio.Writer
	n    int64

	start  int64 // where the rejects of the file that is being read begin
	ofFile int64 // their number
}

func (r *rejects) add(x Reject) error {
	r.n++
	r.ofFile++
	if r.path == "" || r.n > keptRejects {
		return nil
	}
	if r.file == nil {
		if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
			return fmt.Errorf("create the folder of the rejects file: %w", err)
		}
		f, err := os.OpenFile(r.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("create the rejects file: %w", err)
		}
		r.file, r.w = f, bufio.NewWriter(f)
	}
	line, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if _, err := r.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	return nil
}

// reset discards the rejects of the file that is being read, which is read again.
// Rejects of earlier files are kept.
func (r *rejects) reset() error {
	r.n -= r.ofFile
	r.ofFile = 0
	if r.file == nil {
		return nil
	}
	if err := r.w.Flush(); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	if err := r.file.Truncate(r.start); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	_, err := r.file.Seek(r.start, io.SeekStart)
	return err
}

// begin starts the rejects of another file.
func (r *rejects) begin() (err error) {
	r.ofFile = 0
	if r.file == nil {
		return nil
	}
	if err := r.w.Flush(); err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	r.start, err = r.file.Seek(0, io.SeekCurrent)
	return err
}

func (r *rejects) close() error {
	if r.file == nil {
		return nil
	}
	err := r.w.Flush()
	if e := r.file.Close(); err == nil {
		err = e
	}
	r.file = nil
	if err != nil {
		return fmt.Errorf("write the rejects file: %w", err)
	}
	return nil
}

// StrictError is the error of a file that was refused because of its warnings.
type StrictError struct {
	File     string
	Warnings []report.Warning
}

func (e StrictError) Error() string {
	more := ""
	if n := len(e.Warnings) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("%s: %s%s; nothing of the file was imported because of --strict", e.File, e.Warnings[0].Message, more)
}

// FilesFailed is the error of an import of several files, some of which could not
// be imported. All others have been.
type FilesFailed struct {
	Files int
	Errs  []error
}

func (e FilesFailed) Error() string {
	return fmt.Sprintf("%d of %d files could not be imported; the first: %v", len(e.Errs), e.Files, e.Errs[0])
}

// Unwrap returns the errors of all files that failed.
func (e FilesFailed) Unwrap() []error { return e.Errs }

// TooManyRejects is the error of an import that rejected more rows than
// allowed, or all of them. All other rows have been imported, unless it was a
// dry run.
type TooManyRejects struct {
	Rejected, Limit, Rows int64
	Default               bool   // the limit is 1 % of the rows
	Path                  string // path of the rejects file; empty in a dry run
}

func (e TooManyRejects) Error() string {
	if e.Rejected == e.Rows {
		return fmt.Sprintf("none of the %d rows could be imported; see the reasons given for them", e.Rows)
	}
	s := fmt.Sprintf("%d of %d rows were rejected, more than the %d of --max-rejects", e.Rejected, e.Rows, e.Limit)
	if e.Default {
		s = fmt.Sprintf("%d of %d rows were rejected, more than 1 %% (--max-rejects accepts a number)", e.Rejected, e.Rows)
	}
	if e.Path != "" {
		s += fmt.Sprintf("; the others were imported: correct the rows in %s and import them as a separate file", e.Path)
	}
	return s
}
