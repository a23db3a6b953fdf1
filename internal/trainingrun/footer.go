package trainingrun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// MaxFooterBytes is the maximum footer length of a foreign file: one that was
// not written by a training of recflow, such as a file of events.
const MaxFooterBytes = 64 << 20

// footerLimits limits what parquet-go allocates for a footer.
type footerLimits struct {
	bytes int64
	items int // list elements, of at most about 600 bytes each once decoded
}

var (
	trainedLimits = footerLimits{bytes: maxFooterBytes, items: maxFooterItems}
	// Other writers make more and smaller row groups.
	foreignLimits = footerLimits{bytes: MaxFooterBytes, items: 1 << 20}
)

// FooterTail is the number of bytes after the footer: its length and the magic.
const FooterTail = 8

const (
	magic     = "PAR1"
	leastFile = int64(len(magic)) + FooterTail
)

// CheckFooter checks both ends of a foreign Parquet file, which is size bytes
// long, and the structure of its footer. Call it before parquet-go opens the
// file: a footer with false sizes makes parquet-go allocate until the process
// dies.
func CheckFooter(r io.ReaderAt, size int64) error { return checkFooter(r, size, foreignLimits) }

func checkFooter(r io.ReaderAt, size int64, limits footerLimits) error {
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
	return checkShape(footer, limits)
}

var errMagic = errors.New("it is not a Parquet file, or it is encrypted")

func tooShort(size int64) error {
	return fmt.Errorf("%d bytes are too few for a Parquet file", size)
}

// FooterLength returns the length of the footer of a foreign Parquet file, at
// most MaxFooterBytes. The file is size bytes long; tail is its end, FooterTail
// bytes or more.
func FooterLength(tail []byte, size int64) (int64, error) {
	return footerLength(tail, size, foreignLimits)
}

func footerLength(tail []byte, size int64, limits footerLimits) (int64, error) {
	if size < leastFile || len(tail) < FooterTail {
		return 0, tooShort(size)
	}
	tail = tail[len(tail)-FooterTail:]
	if string(tail[4:]) != magic {
		return 0, errMagic
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if n > size-leastFile || n > limits.bytes {
		return 0, fmt.Errorf("the footer claims %d bytes", n)
	}
	return n, nil
}

// checkShape walks a footer without decoding it.
func checkShape(footer []byte, limits footerLimits) error {
	used, err := thriftSize(footer, limits.items)
	if err != nil {
		return fmt.Errorf("the footer is malformed: %w", err)
	}
	if used != len(footer) {
		return errors.New("the footer is malformed: it has trailing bytes")
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
	if err := checkShape(footer, foreignLimits); err != nil {
		return 0, err
	}
	var counts rowCounts
	err = recoverPanic(func() error {
		return thrift.NewDecoder(new(thrift.CompactProtocol).NewReaderFromBytes(footer)).Decode(&counts)
	})
	if err != nil {
		return 0, fmt.Errorf("the footer is malformed: %w", err)
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
