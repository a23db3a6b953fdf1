package tabular

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/safeparquet"
)

// parquetSource reads only the bound columns of a Parquet file, page by page.
// The file is untrusted: safeparquet checks its claims, and columns may have
// different numbers of rows, which is an error.
type parquetSource struct {
	in    *File
	file  *safeparquet.File
	names []string
	bound []*leafReader
	row   int64
	cells []Cell // of the last record

	unreadable []unreadableColumn // sampled ones
}

type unreadableColumn struct {
	cell int
	with Cell
}

func openParquet(in *File) (_ *parquetSource, err error) {
	defer safeparquet.Recovered(&err)
	file, err := safeparquet.Open(in.file, in.bytes, safeparquet.Foreign)
	if err != nil {
		return nil, fmt.Errorf("open Parquet: %w", err)
	}
	s := &parquetSource{in: in, file: file}
	for _, c := range file.Root().Columns() {
		s.names = append(s.names, c.Name())
	}
	return s, nil
}

func (s *parquetSource) Columns() []string        { return s.names }
func (s *parquetSource) Position() (int64, int64) { return 0, s.row }

func (s *parquetSource) Bind(c []Column) (err error) {
	defer safeparquet.Recovered(&err)
	selected := present(c)
	if len(selected) == 0 {
		return errors.New("no column is mapped")
	}
	for _, b := range selected {
		leaf, convert, err := readable(s.file.Root().Columns()[b.Index])
		if err != nil && b.Sampled {
			s.unreadable = append(s.unreadable, unreadableColumn{b.Cell, Cell{Kind: CellInvalid, Text: err.Error()}})
			continue
		}
		if err != nil {
			return fmt.Errorf("column %.60q %w", s.names[b.Index], err)
		}
		if convert == nil { // without values: absent in every row
			continue
		}
		s.bound = append(s.bound, &leafReader{
			cell: b.Cell, name: s.names[b.Index], convert: convert, list: leaf.MaxRepetitionLevel() > 0,
			file: s.file, leaf: leaf, groups: len(s.file.Metadata().RowGroups),
		})
	}
	if len(s.bound)+len(s.unreadable) == 0 {
		return errors.New("the mapped columns have the type null, so no row has a value")
	}
	return nil
}

// readable returns the values of a column and their conversion, which is nil if they
// are all null, or why it cannot be read.
func readable(c *parquet.Column) (*parquet.Column, func(parquet.Value) Cell, error) {
	leaf, err := leafOf(c)
	if err != nil {
		return nil, nil, err
	}
	convert, err := converter(leaf)
	return leaf, convert, err
}

// leafOf finds the values of a column: its own, or those of a list of scalars in
// any of its layouts. A list of lists is read as one list.
func leafOf(c *parquet.Column) (*parquet.Column, error) {
	for !c.Leaf() {
		if len(c.Columns()) != 1 {
			return nil, errors.New("is a structure; use a plain column")
		}
		c = c.Columns()[0]
	}
	return c, nil
}

func (s *parquetSource) Next(r *Record) (err error) {
	defer safeparquet.Recovered(&err)
	r.Bad, r.Line = "", 0
	s.cells = r.Cells
	for _, u := range s.unreadable {
		r.Cells[u.cell] = u.with
	}
	ended := 0
	for _, b := range s.bound {
		switch err := b.read(&r.Cells[b.cell]); {
		case errors.Is(err, io.EOF):
			ended++
		case err != nil:
			return fmt.Errorf("column %.60q: %w", b.name, err)
		}
	}
	switch {
	case ended == len(s.bound) && s.row == s.file.NumRows():
		return io.EOF
	case ended > 0:
		return fmt.Errorf("the Parquet file is damaged: a column ends after row %d of %d", s.row, s.file.NumRows())
	}
	s.row++
	r.Row = s.row
	s.in.read.Store(int64(float64(s.in.bytes) * float64(s.row) / float64(max(1, s.file.NumRows()))))
	return nil
}

func (s *parquetSource) Close() (err error) {
	defer safeparquet.Recovered(&err)
	for _, b := range s.bound {
		b.closePages()
	}
	return nil
}

// Dialect returns the compression of the first column.
func (s *parquetSource) Dialect() []string {
	for _, g := range s.file.Metadata().RowGroups {
		for _, c := range g.Columns {
			return []string{"compression " + strings.ToLower(c.MetaData.Codec.String())}
		}
	}
	return nil
}

// RawText returns the bound cells of the last record as JSON.
func (s *parquetSource) RawText() string {
	row := make(map[string]any, len(s.bound))
	for _, b := range s.bound {
		switch c := s.cells[b.cell]; c.Kind {
		case CellAbsent:
			row[b.name] = nil
		case CellList:
			row[b.name] = c.List
		case CellTime:
			row[b.name] = c.String()
		default:
			row[b.name] = c.Text
		}
	}
	text, err := json.Marshal(row)
	if err != nil { // impossible for texts
		return ""
	}
	return cut(text)
}
