package safeparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// FooterTail is the number of bytes after the footer: its length and the magic.
const FooterTail = 8

const (
	magic     = "PAR1"
	leastFile = int64(len(magic)) + FooterTail
)

// checkFooter checks both ends of a file, the structure of its footer and its
// schema.
func checkFooter(r io.ReaderAt, size int64, limits Limits) error {
	if size < leastFile {
		return tooShort(size)
	}
	var head [len(magic)]byte
	if err := readFull(r, head[:], 0); err != nil {
		return err
	}
	if string(head[:]) != magic {
		return errMagic
	}
	var tail [FooterTail]byte
	if err := readFull(r, tail[:], size-FooterTail); err != nil {
		return err
	}
	n, err := footerLength(tail[:], size, limits)
	if err != nil {
		return err
	}
	footer := make([]byte, n)
	if err := readFull(r, footer, size-FooterTail-n); err != nil {
		return err
	}
	if err := checkShape(footer, limits); err != nil {
		return err
	}
	return checkSchema(footer)
}

var errMagic = errors.New("it is not a Parquet file, or it is encrypted")

func tooShort(size int64) error {
	return fmt.Errorf("%d bytes are too few for a Parquet file", size)
}

// FooterLength returns the length of the footer of a foreign Parquet file, at
// most MaxFooterBytes. The file is size bytes long; tail is its end, FooterTail
// bytes or more.
func FooterLength(tail []byte, size int64) (int64, error) {
	return footerLength(tail, size, Foreign)
}

func footerLength(tail []byte, size int64, limits Limits) (int64, error) {
	if size < leastFile || len(tail) < FooterTail {
		return 0, tooShort(size)
	}
	tail = tail[len(tail)-FooterTail:]
	if string(tail[4:]) != magic {
		return 0, errMagic
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if n > size-leastFile || n > limits.FooterBytes {
		return 0, fmt.Errorf("the footer claims %d bytes", n)
	}
	return n, nil
}

// checkShape walks a footer without decoding it.
func checkShape(footer []byte, limits Limits) error {
	used, err := thriftSize(footer, limits.FooterItems)
	if err != nil {
		return fmt.Errorf("the footer is malformed: %w", err)
	}
	if used != len(footer) {
		return errors.New("the footer is malformed: it has trailing bytes")
	}
	return nil
}

// decode decodes a part of a footer whose structure was checked.
func decode(footer []byte, to any) (err error) {
	defer Recovered(&err)
	if err := thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(footer)).Decode(to); err != nil {
		return fmt.Errorf("the footer is malformed: %w", err)
	}
	return nil
}

// schemaShape decodes only the shape of the schema: its elements in depth-first
// order.
type schemaShape struct {
	Elements []struct {
		Children int32 `thrift:"5,optional"`
	} `thrift:"2,required"`
}

// checkSchema limits the size and the depth of a schema. parquet-go allocates the
// path of every column, and a path of 200,000 names, which fits into a footer of a
// megabyte, takes 300 GB.
func checkSchema(footer []byte) error {
	var schema schemaShape
	if err := decode(footer, &schema); err != nil {
		return err
	}
	if n := len(schema.Elements); n > maxSchemaElements {
		return fmt.Errorf("the schema is malformed: it has %d elements", n)
	}
	var missing []int32 // children of the groups that are open
	for _, e := range schema.Elements {
		for len(missing) > 0 && missing[len(missing)-1] == 0 {
			missing = missing[:len(missing)-1]
		}
		if len(missing) > 0 {
			missing[len(missing)-1]--
		}
		if e.Children < 0 || int(e.Children) > len(schema.Elements) {
			return fmt.Errorf("the schema is malformed: a group has %d columns", e.Children)
		}
		if missing = append(missing, e.Children); len(missing) > maxSchemaDepth {
			return fmt.Errorf("the schema is malformed: it has more than %d levels", maxSchemaDepth)
		}
	}
	return nil
}

// rowCounts decodes only the row counts of a footer: a row group takes eight
// bytes.
type rowCounts struct {
	NumRows   int64 `thrift:"3,required"`
	RowGroups []struct {
		NumRows int64 `thrift:"3,required"`
	} `thrift:"4,required"`
}

// FooterRows returns the number of rows of a foreign Parquet file according to
// its footer, which is the FooterLength bytes before the last FooterTail.
func FooterRows(footer []byte) (rows int64, err error) {
	if err := checkShape(footer, Foreign); err != nil {
		return 0, err
	}
	var counts rowCounts
	if err := decode(footer, &counts); err != nil {
		return 0, err
	}
	for _, g := range counts.RowGroups {
		if g.NumRows < 0 || g.NumRows > counts.NumRows-rows {
			return 0, fmt.Errorf("the footer is inconsistent: a row group has %d of %d rows", g.NumRows, counts.NumRows)
		}
		rows += g.NumRows
	}
	if rows != counts.NumRows {
		return 0, fmt.Errorf("the footer is inconsistent: its row groups have %d of %d rows", rows, counts.NumRows)
	}
	return rows, nil
}
