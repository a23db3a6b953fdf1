package trainingrun

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/safeparquet"
)

// column reads the pages of one column, one at a time. Pages of different
// columns end at different rows, so a batch has as many rows as are left in
// every current page.
type column struct {
	columnSpec
	leaf    *parquet.Column
	maxDef  byte // definition level of a value
	listDef byte // definition level of an empty list; below it the list is null

	pages *safeparquet.Pages
	page  parquet.Page
	rows  int // rows of the page that were not read yet

	// Levels of the page that were not read yet. rep is nil unless the column
	// is a list, def is nil if a flat page has no nulls.
	rep, def []byte
	whole    bool // see uniform

	// The values of the page, of which the first next were read. Only the slice
	// of the column's type is set. They are valid as long as the page, except
	// for text, which is a copy.
	next    int
	floats  []float32
	doubles []float64
	ints    []int64
	bits    []byte
	text    string   // all strings of the page or of its dictionary
	offsets []uint32 // string i is text[offsets[i]:offsets[i+1]]
	index   []int32  // for a page of dictionary indexes: index of value i

	dictionary parquet.Dictionary // dictionary whose strings are in dictText
	dictText   string
}

// rowError is the error of a row of a batch.
type rowError struct {
	column string
	row    int // 0: first row of the batch
	err    error
}

func (e *rowError) Error() string { return e.column + ": " + e.err.Error() }
func (e *rowError) Unwrap() error { return e.err }

func (c *column) bad(row int, err error) error { return &rowError{c.name, row, err} }

// open starts at the beginning of a row group.
func (c *column) open(in *safeparquet.File, group int) (err error) {
	if err := c.close(); err != nil {
		return err
	}
	c.pages, err = in.Pages(group, c.leaf)
	return err
}

// finish checks that the chunk has no more rows than were read.
func (c *column) finish() error {
	for c.pages != nil && c.rows == 0 {
		page, err := c.pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		rows := page.NumRows()
		parquet.Release(page)
		if rows > 0 {
			break
		}
	}
	if c.pages != nil {
		return errors.New("it has more rows than its row group")
	}
	return nil
}

func (c *column) close() error {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
	c.rows, c.dictionary = 0, nil
	if c.pages == nil {
		return nil
	}
	err := c.pages.Close()
	c.pages = nil
	return err
}

// ready makes sure that the current page has rows left and returns how many of
// them, at most limit, fit into a batch: long lists reduce the number.
func (c *column) ready(limit int) (int, error) {
	for c.rows == 0 {
		if err := c.load(); err != nil {
			return 0, err
		}
	}
	limit = min(limit, c.rows)
	if c.rep == nil || c.kind == parquet.Float && c.limit == 0 || len(c.rep) <= maxBatchElements {
		return limit, nil
	}
	whole := 0 // complete rows among the first elements
	for _, level := range c.rep[1:maxBatchElements] {
		if level == 0 {
			whole++
		}
	}
	return max(1, min(whole, limit)), nil
}

// load reads the next page.
func (c *column) load() error {
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		return errors.New("it has fewer rows than its row group")
	}
	if err != nil {
		return err
	}
	if c.page != nil {
		parquet.Release(c.page)
	}
	c.page, c.rows, c.next = page, int(page.NumRows()), 0
	c.rep, c.def, c.whole = nil, nil, false
	present := int(page.NumValues() - page.NumNulls())
	if c.list {
		c.rep, c.def = page.RepetitionLevels(), page.DefinitionLevels()
		if len(c.rep) != len(c.def) {
			return errors.New("a page has levels of different lengths")
		}
		if len(c.rep) > 0 && c.rep[0] != 0 {
			return errors.New("a page starts in the middle of a row; write whole rows to a page, as Spark does")
		}
	} else if present < c.rows {
		c.def = page.DefinitionLevels()
	}
	return c.loadValues(page, present)
}

// loadValues finds the n values of a page, which does not store nulls.
func (c *column) loadValues(page parquet.Page, n int) error {
	c.floats, c.doubles, c.ints, c.bits, c.offsets, c.index = nil, nil, nil, nil, nil, nil
	data := page.Data()
	have := 0
	if dict := page.Dictionary(); dict != nil {
		c.index = data.Int32()
		have = len(c.index)
		data = dict.Page().Data()
		if err := c.expand(dict); err != nil {
			return err
		}
	}
	switch c.kind {
	case parquet.ByteArray:
		if c.index == nil {
			values, offsets := data.ByteArray()
			c.text, c.offsets = string(values), offsets
			have = len(offsets) - 1
		}
	case parquet.Boolean:
		c.bits = data.Boolean()
		have = min(n, 8*len(c.bits))
	case parquet.Float:
		if c.index == nil {
			c.floats = data.Float()
			have = len(c.floats)
		}
	case parquet.Double:
		if c.index == nil {
			c.doubles = data.Double()
			have = len(c.doubles)
		}
	case parquet.Int64:
		if c.index == nil {
			c.ints = data.Int64()
			have = len(c.ints)
		}
	}
	if have != n {
		return fmt.Errorf("a page has %d values instead of %d", have, n)
	}
	if c.kind != parquet.ByteArray {
		c.index = nil
	}
	return nil
}

// expand resolves the indexes of a page in its dictionary, or prepares the
// dictionary's strings for single lookups.
func (c *column) expand(dict parquet.Dictionary) (err error) {
	data := dict.Page().Data()
	switch c.kind {
	case parquet.ByteArray:
		values, offsets := data.ByteArray()
		if c.dictionary != dict {
			c.dictText, c.dictionary = string(values), dict
		}
		c.text, c.offsets = c.dictText, offsets
	case parquet.Float:
		c.floats, err = lookUp(data.Float(), c.index)
	case parquet.Double:
		c.doubles, err = lookUp(data.Double(), c.index)
	case parquet.Int64:
		c.ints, err = lookUp(data.Int64(), c.index)
	default:
		err = errors.New("a dictionary is not supported here")
	}
	return err
}

func lookUp[T any](entries []T, index []int32) ([]T, error) {
	out := make([]T, len(index))
	for i, j := range index {
		if uint(j) >= uint(len(entries)) {
			return nil, errNoEntry
		}
		out[i] = entries[j]
	}
	return out, nil
}

var errNoEntry = errors.New("a value is not in the dictionary of its column")

// string returns value i of the page.
func (c *column) string(i int) (string, error) {
	if c.index != nil {
		i = int(c.index[i])
	}
	if uint(i) >= uint(len(c.offsets)-1) {
		return "", errNoEntry
	}
	return c.text[c.offsets[i]:c.offsets[i+1]], nil
}
