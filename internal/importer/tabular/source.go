package tabular

import (
	"io"
	"time"
)

// The formats of a file.
const (
	Auto    = "auto" // detected by the first bytes
	CSV     = "csv"
	JSONL   = "jsonl"
	Parquet = "parquet"
)

// CellKind is the kind of a value in a file.
type CellKind uint8

// The kinds of a cell.
const (
	CellAbsent  CellKind = iota // no column, null, or empty
	CellText                    // text as written in the file
	CellList                    // several texts
	CellTime                    // a typed time
	CellInvalid                 // none of these; Text is the reason
)

// Cell is one value of a record.
type Cell struct {
	Kind CellKind
	Text string
	List []string
	Time int64 // microseconds since 1970, UTC
}

// String returns the cell as an id: text as written, a typed time as RFC 3339,
// and "" for other kinds.
func (c Cell) String() string {
	switch c.Kind {
	case CellText:
		return c.Text
	case CellTime:
		return time.UnixMicro(c.Time).UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Record is one row of a file. It is reused for every row.
type Record struct {
	Row   int64  // 1-based data row, as in recsys.RowEventID
	Line  int64  // 1-based line where it starts; 0 in a format without lines
	Bad   string // why it is not a record; empty if the cells are valid
	Cells []Cell // indexed by Column.Cell
}

// Column is a column to read, and the cell of a record that it fills.
type Column struct {
	Cell       int
	Index      int    // index in Source.Columns; -1 for a key that may appear later in a JSON Lines file
	Name       string // of the column or key
	SingleLine bool   // its values have no line breaks, like ids, times and numbers
	Sampled    bool   // it is read to learn what it has: if its type cannot be read, its cells are invalid
}

// maxRaw limits the stored text of a rejected row, in bytes.
const maxRaw = 4096

// Source reads a file record by record.
type Source interface {
	// Columns returns the names of the file's columns in order.
	Columns() []string

	// Bind selects the columns that Next reads.
	Bind([]Column) error

	// Next reads the next record. It returns io.EOF after the last, and an
	// error if the rest of the file cannot be read. A row that is not a record
	// is returned with Bad set, and the next call continues after it.
	Next(*Record) error

	// Dialect returns how the file is written, for people: the separator, the
	// encoding, the compression. It is complete after the last row.
	Dialect() []string

	// RawText returns the text of the last record, at most 4 KiB of it.
	RawText() string

	// Position returns the current position for errors: a line, or a row in a
	// format without lines.
	Position() (line, row int64)

	io.Closer
}

var _ = []Source{(*csvSource)(nil), (*jsonlSource)(nil), (*parquetSource)(nil)}

// present returns the columns that exist in the header.
func present(columns []Column) []Column {
	var found []Column
	for _, c := range columns {
		if c.Index >= 0 {
			found = append(found, c)
		}
	}
	return found
}
