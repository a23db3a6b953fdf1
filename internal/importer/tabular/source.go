package tabular

import (
	"io"
	"time"
)

// The formats of a file.
const (
	Auto    = "auto" // told by the first bytes
	CSV     = "csv"
	JSONL   = "jsonl"
	Parquet = "parquet"
)

// CellKind says how the file gave a value.
type CellKind uint8

// The kinds of a cell.
const (
	CellAbsent  CellKind = iota // no column, null, or empty
	CellText                    // text as written in the file
	CellList                    // several texts
	CellTime                    // a typed time
	CellInvalid                 // cannot be any of these; Text says why
)

// Cell is one value of a record.
type Cell struct {
	Kind CellKind
	Text string
	List []string
	Time int64 // microseconds since 1970, UTC
}

// String returns the cell as an id: text as it is written, a typed time as RFC
// 3339, and nothing for other kinds.
func (c Cell) String() string {
	switch c.Kind {
	case CellText:
		return c.Text
	case CellTime:
		return time.UnixMicro(c.Time).UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Record is one row of a file. It is reused from row to row.
type Record struct {
	Row   int64  // 1-based data row: what recsys.RowEventID counts
	Line  int64  // 1-based line where it starts; 0 where a format has no lines
	Bad   string // why it is not even a record; empty when the cells hold
	Cells []Cell // as Column.Cell numbers them
}

// Column is a column to read, and the cell of a record that it fills.
type Column struct {
	Cell       int
	Index      int    // position in Source.Columns; -1 for a key that may appear later in a JSON Lines file
	Name       string // of the column, or of that key
	SingleLine bool   // its values have no line breaks, as ids, times and numbers have none
}

// maxRaw bounds what is kept of a rejected row's text, in bytes.
const maxRaw = 4096

// Source reads a file record by record.
type Source interface {
	// Columns names the file's columns in order.
	Columns() []string

	// Bind chooses the columns that Next reads.
	Bind([]Column) error

	// Next reads the next record. It returns io.EOF after the last, and an
	// error when the rest of the file cannot be read. A row that is not a
	// record is returned with Bad set, and reading goes on after it.
	Next(*Record) error

	// RawText is the text of the record read last, at most 4 KiB of it.
	RawText() string

	// Position says how far reading has come, for errors: a line, or a row
	// where a format has no lines.
	Position() (line, row int64)

	io.Closer
}

var _ = []Source{(*csvSource)(nil), (*jsonlSource)(nil), (*parquetSource)(nil)}

// present returns the columns that the header has.
func present(columns []Column) []Column {
	var found []Column
	for _, c := range columns {
		if c.Index >= 0 {
			found = append(found, c)
		}
	}
	return found
}
