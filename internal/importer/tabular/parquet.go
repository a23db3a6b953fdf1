package tabular

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"

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
}

func openParquet(in *File) (_ *parquetSource, err error) {
	defer safeparquet.Recovered(&err)
	file, err := safeparquet.Open(in.file, in.bytes, safeparquet.Foreign)
	if err != nil {
		return nil, fmt.Errorf("%s: open Parquet: %w", in.name, err)
	}
	s := &parquetSource{in: in, file: file}
	for _, c := range file.Root().Columns() {
		s.names = append(s.names, c.Name())
	}
	return s, nil
}

func (s *parquetSource) Columns() []string        { return s.names }
func (s *parquetSource) RawText() string          { return "" }
func (s *parquetSource) Position() (int64, int64) { return 0, s.row }

func (s *parquetSource) Bind(c []Column) (err error) {
	defer safeparquet.Recovered(&err)
	for _, b := range present(c) {
		leaf, err := leafOf(s.file.Root().Columns()[b.Index])
		if err != nil {
			return fmt.Errorf("%s: column %.60q %w", s.in.name, s.names[b.Index], err)
		}
		convert, err := converter(leaf.Type())
		if err != nil {
			return fmt.Errorf("%s: column %.60q %w", s.in.name, s.names[b.Index], err)
		}
		s.bound = append(s.bound, &leafReader{
			cell: b.Cell, name: s.names[b.Index], convert: convert, list: leaf.MaxRepetitionLevel() > 0,
			file: s.file, leaf: leaf, groups: len(s.file.Metadata().RowGroups),
		})
	}
	if len(s.bound) == 0 {
		return fmt.Errorf("%s: no column is mapped", s.in.name)
	}
	return nil
}

// leafOf finds the values of a column: its own, or those of a list of scalars.
func leafOf(c *parquet.Column) (*parquet.Column, error) {
	for !c.Leaf() {
		if len(c.Columns()) != 1 {
			return nil, errors.New("is a structure; use a plain column")
		}
		c = c.Columns()[0]
	}
	if c.MaxRepetitionLevel() > 1 {
		return nil, errors.New("is a list of lists; use a plain column")
	}
	return c, nil
}

func (s *parquetSource) Next(r *Record) (err error) {
	defer safeparquet.Recovered(&err)
	r.Bad, r.Line = "", 0
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

// leafReader reads the values of one column in order, over all row groups.
type leafReader struct {
	cell    int
	name    string
	list    bool
	convert func(parquet.Value) Cell

	file   *safeparquet.File
	leaf   *parquet.Column
	group  int // the next one to read
	groups int

	pages  *safeparquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [512]parquet.Value
	at, n  int
}

// read fills c with the values of the next row.
func (l *leafReader) read(c *Cell) error {
	v, err := l.peek()
	if err != nil {
		return err
	}
	l.at++
	*c = l.converted(v)
	if !l.list {
		return nil
	}
	texts := []string{}
	for {
		switch c.Kind {
		case CellText:
			texts = append(texts, c.Text)
		case CellTime, CellInvalid:
			*c = Cell{Kind: CellInvalid, Text: "is a list of values other than strings"}
		}
		v, err := l.peek()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || v.RepetitionLevel() == 0 {
			break
		}
		l.at++
		*c = l.converted(v)
	}
	if c.Kind != CellInvalid {
		*c = Cell{Kind: CellList, List: texts}
	}
	return nil
}

func (l *leafReader) converted(v parquet.Value) Cell {
	if v.IsNull() {
		return Cell{}
	}
	return l.convert(v)
}

// peek returns the next value without consuming it.
func (l *leafReader) peek() (parquet.Value, error) {
	for l.at == l.n {
		if l.values == nil {
			if err := l.nextPage(); err != nil {
				return parquet.Value{}, err
			}
		}
		n, err := l.values.ReadValues(l.buf[:])
		l.at, l.n = 0, n
		if err != nil {
			l.values = nil
			if !errors.Is(err, io.EOF) {
				return parquet.Value{}, err
			}
		}
	}
	return l.buf[l.at], nil
}

func (l *leafReader) nextPage() error {
	for {
		if l.pages == nil {
			if l.group == l.groups {
				return io.EOF
			}
			pages, err := l.file.Pages(l.group, l.leaf)
			if err != nil {
				return err
			}
			l.pages, l.group = pages, l.group+1
		}
		if l.page != nil {
			parquet.Release(l.page)
			l.page = nil
		}
		page, err := l.pages.ReadPage()
		if errors.Is(err, io.EOF) {
			l.closePages()
			continue
		}
		if err != nil {
			return err
		}
		l.page, l.values = page, page.Values()
		return nil
	}
}

func (l *leafReader) closePages() {
	if l.page != nil {
		parquet.Release(l.page)
		l.page = nil
	}
	if l.pages != nil {
		l.pages.Close()
		l.pages = nil
	}
}

// converter returns the conversion of a type's values to cells. Texts are
// copied, because pages are reused.
func converter(t parquet.Type) (func(parquet.Value) Cell, error) {
	if l := t.LogicalType(); l != nil {
		switch l := l.Value.(type) {
		case *format.TimestampType:
			switch l.Unit.Value.(type) {
			case *format.MilliSeconds:
				return instants(func(v parquet.Value) int64 { return scaled(v.Int64(), 1000) }), nil
			case *format.MicroSeconds:
				return instants(func(v parquet.Value) int64 { return v.Int64() }), nil
			}
			return instants(func(v parquet.Value) int64 { return v.Int64() / 1000 }), nil
		case *format.DateType:
			return instants(func(v parquet.Value) int64 { return int64(v.Int32()) * 86400e6 }), nil
		case *format.DecimalType, *format.TimeType:
			return nil, fmt.Errorf("has the type %s; write it as a number, a timestamp or text", l)
		case *format.UUIDType:
			return texts(func(v parquet.Value) string {
				h := hex.EncodeToString(v.ByteArray())
				if len(h) != 32 {
					return h
				}
				return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
			}), nil
		}
	}
	if c := t.ConvertedType(); c != nil {
		switch *c {
		case deprecated.TimestampMillis:
			return instants(func(v parquet.Value) int64 { return scaled(v.Int64(), 1000) }), nil
		case deprecated.TimestampMicros:
			return instants(func(v parquet.Value) int64 { return v.Int64() }), nil
		case deprecated.Date:
			return instants(func(v parquet.Value) int64 { return int64(v.Int32()) * 86400e6 }), nil
		case deprecated.Decimal:
			return nil, errors.New("is a decimal; write it as a number or text")
		}
	}
	return plainConverter(t.Kind())
}

func plainConverter(k parquet.Kind) (func(parquet.Value) Cell, error) {
	switch k {
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return func(v parquet.Value) Cell {
			b := v.ByteArray()
			switch {
			case len(b) == 0:
				return Cell{}
			case len(b) > maxRecord:
				return Cell{Kind: CellInvalid, Text: "is longer than 1 MiB"}
			}
			return Cell{Kind: CellText, Text: string(b)}
		}, nil
	case parquet.Int32:
		return texts(func(v parquet.Value) string { return strconv.FormatInt(int64(v.Int32()), 10) }), nil
	case parquet.Int64:
		return texts(func(v parquet.Value) string { return strconv.FormatInt(v.Int64(), 10) }), nil
	case parquet.Int96:
		return instants(int96Micros), nil
	case parquet.Double:
		// Data frames convert ids to floats if one is missing: 123.0 is "123".
		return texts(func(v parquet.Value) string { return strconv.FormatFloat(v.Double(), 'f', -1, 64) }), nil
	case parquet.Float:
		return texts(func(v parquet.Value) string { return strconv.FormatFloat(float64(v.Float()), 'f', -1, 32) }), nil
	case parquet.Boolean:
		return texts(func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) }), nil
	}
	return nil, fmt.Errorf("has the unknown type %s", k)
}

func texts(f func(parquet.Value) string) func(parquet.Value) Cell {
	return func(v parquet.Value) Cell { return Cell{Kind: CellText, Text: f(v)} }
}

func instants(f func(parquet.Value) int64) func(parquet.Value) Cell {
	return func(v parquet.Value) Cell { return Cell{Kind: CellTime, Time: f(v)} }
}

// scaled multiplies without overflow: an extreme time stays extreme.
func scaled(n, by int64) int64 {
	if n > math.MaxInt64/by || n < math.MinInt64/by {
		return math.MaxInt64
	}
	return n * by
}

// int96Micros converts Impala's timestamps: nanoseconds of the day, Julian day.
func int96Micros(v parquet.Value) int64 {
	const epoch = 2440588 // Julian day of 1970-01-01
	t := v.Int96()
	nanos := int64(uint64(t[1])<<32 | uint64(t[0]))
	return (int64(t[2])-epoch)*86400e6 + nanos/1000
}
