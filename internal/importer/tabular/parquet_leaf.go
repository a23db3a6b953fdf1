package tabular

import (
	"errors"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/safeparquet"
)

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
	var b listBuilder
	for {
		b.add(*c)
		v, err := l.peek()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil || v.RepetitionLevel() == 0 {
			*c = b.cell()
			return nil
		}
		l.at++
		*c = l.converted(v)
	}
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
