package importer

import (
	"errors"
	"fmt"
	"io"
)

// field is a part of an event or an item that a column can fill.
type field int

const (
	fieldUser field = iota
	fieldItem
	fieldType
	fieldTime
	fieldValue
	fieldEventID
	fieldSession
	fieldRecommendation
	fieldTitle
	fieldCategory
	fieldTags
	fieldText
	fieldAvailable
	fieldBrand      // completejourney only: goes into the title
	fieldPackage    // completejourney only: goes into the title
	fieldDepartment // completejourney only: goes into the tags
	numFields
)

// cellKind says how the source gave a value.
type cellKind uint8

const (
	cellAbsent  cellKind = iota // no column, null, or empty
	cellText                    // text as written in the file
	cellList                    // several texts
	cellInstant                 // a typed time
	cellInvalid                 // cannot be any of these; text says why
)

// cell is one value of a record.
type cell struct {
	kind cellKind
	text string
	list []string
	at   int64 // microseconds since 1970, UTC
}

// record is one row of a file. It is reused from row to row.
type record struct {
	row   int64  // 1-based data row: what RowEventID counts
	line  int64  // 1-based line where it starts; 0 where a format has no lines
	bad   string // why it is not even a record; empty when cells hold
	cells [numFields]cell
}

// maxRaw bounds what is kept of a rejected row's text, in bytes.
const maxRaw = 4096

// columnsOf maps each field to the position of its column, or to -1.
type columnsOf [numFields]int

// source reads a file record by record.
type source interface {
	// columns names the file's columns in order.
	columns() []string

	// bind chooses the columns that next fills cells from.
	bind(columnsOf) error

	// next reads the next record. It returns io.EOF after the last, and an
	// error when the rest of the file cannot be read. A row that is not a
	// record is returned with bad set, and reading goes on after it.
	next(*record) error

	// rawText is the text of the record read last, cut to maxRaw.
	rawText() string

	// position says how far reading has come, for errors: a line, or a row
	// where a format has no lines.
	position() (line, row int64)

	io.Closer
}

// unreadable is an error that ends a file, with the place where it did.
func unreadable(name string, s source, err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	line, row := s.position()
	if line == 0 {
		return fmt.Errorf("%s: after row %d: %w", name, row, err)
	}
	return fmt.Errorf("%s:%d: %w", name, line, err)
}
