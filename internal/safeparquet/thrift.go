package safeparquet

import (
	"encoding/binary"
	"errors"
)

// The wire types of Thrift's compact protocol.
const (
	thriftStop = iota
	thriftTrue
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

var (
	errThriftShort    = errors.New("it ends inside a structure")
	errThriftBad      = errors.New("it is not a valid structure")
	errThriftTooLarge = errors.New("it has too many elements")
)

// thriftSize walks the structure at the beginning of data and returns its
// length in bytes. It allocates nothing and accepts only lengths that fit into
// data and at most maxItems list elements.
//
// parquet-go allocates a list at the length that the file claims: 5 bytes in a
// footer can request a terabyte, which kills the process without a chance to
// recover. So every structure is checked here before it is decoded.
func thriftSize(data []byte, maxItems int) (int, error) {
	w := thriftWalker{data: data, items: maxItems}
	err := w.structure(0)
	return w.pos, err
}

type thriftWalker struct {
	data  []byte
	pos   int
	items int // list elements that are still allowed
}

func (w *thriftWalker) structure(depth int) error {
	if depth > 16 {
		return errThriftBad
	}
	for {
		head, err := w.byte()
		if err != nil {
			return err
		}
		if head == thriftStop {
			return nil
		}
		if head>>4 == 0 { // the field number follows instead of a difference
			if _, err := w.uvarint(); err != nil {
				return err
			}
		}
		kind := head & 0xf
		if kind == thriftTrue || kind == thriftFalse {
			continue // the type contains the value
		}
		if err := w.value(kind, depth); err != nil {
			return err
		}
	}
}

func (w *thriftWalker) value(kind byte, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return w.skip(1)
	case thriftI16, thriftI32, thriftI64:
		_, err := w.uvarint()
		return err
	case thriftDouble:
		return w.skip(8)
	case thriftBinary:
		n, err := w.uvarint()
		if err != nil {
			return err
		}
		return w.skip(n)
	case thriftList, thriftSet:
		return w.list(depth)
	case thriftStruct:
		return w.structure(depth + 1)
	}
	return errThriftBad // maps do not occur in Parquet
}

func (w *thriftWalker) list(depth int) error {
	if depth > 16 {
		return errThriftBad
	}
	head, err := w.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 0xf {
		if n, err = w.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(w.items) {
		return errThriftTooLarge
	}
	w.items -= int(n)
	for range n {
		if err := w.value(head&0xf, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *thriftWalker) byte() (byte, error) {
	if w.pos >= len(w.data) {
		return 0, errThriftShort
	}
	b := w.data[w.pos]
	w.pos++
	return b, nil
}

func (w *thriftWalker) skip(n uint64) error {
	if n > uint64(len(w.data)-w.pos) {
		return errThriftShort
	}
	w.pos += int(n)
	return nil
}

func (w *thriftWalker) uvarint() (uint64, error) {
	x, n := binary.Uvarint(w.data[w.pos:])
	switch {
	case n == 0:
		return 0, errThriftShort
	case n < 0:
		return 0, errThriftBad
	}
	w.pos += n
	return x, nil
}
