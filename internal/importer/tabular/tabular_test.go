package tabular

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// openContent opens a file with the given content.
func openContent(t testing.TB, name string, content []byte) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	f, err := Open(t.Context(), path, nil, "", func(int64) {})
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// read is what reading a file results in.
type read struct {
	columns []string
	rows    [][]Cell
	bad     []string // reasons of the rows that are not records
	raw     []string // text of every row
	dialect []string
}

// readContent reads all columns of a file with the given content.
func readContent(t testing.TB, format string, content []byte) (read, error) {
	t.Helper()
	s, _, err := openContent(t, "in", content).Records(format)
	if err != nil {
		return read{}, err
	}
	defer s.Close()
	out := read{columns: append([]string(nil), s.Columns()...)}
	var columns []Column
	for i, n := range out.columns {
		if !strings.Contains(n, "[].") { // its elements would be rows
			columns = append(columns, Column{Cell: i, Index: i, Name: n})
		}
	}
	if err := s.Bind(columns); err != nil {
		return out, err
	}
	r := Record{Cells: make([]Cell, len(out.columns))}
	for {
		err := s.Next(&r)
		if errors.Is(err, io.EOF) {
			out.dialect = s.Dialect()
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out.raw = append(out.raw, s.RawText())
		if r.Bad != "" {
			out.bad = append(out.bad, r.Bad)
			continue
		}
		out.rows = append(out.rows, append([]Cell(nil), r.Cells...))
	}
}

// mustRead reads all columns of a file whose rows are all records.
func mustRead(t testing.TB, format string, content []byte) read {
	t.Helper()
	out, err := readContent(t, format, content)
	require.NoError(t, err)
	require.Empty(t, out.bad)
	return out
}

func text(s string) Cell    { return Cell{Kind: CellText, Text: s} }
func list(s ...string) Cell { return Cell{Kind: CellList, List: s} }
func column(r read) (out []Cell) {
	for _, row := range r.rows {
		out = append(out, row[0])
	}
	return out
}
