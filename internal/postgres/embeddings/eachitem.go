package embeddings

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// EachItem emits every item of the version with its vector, without overrides. It
// reads them in one round trip and in no particular order. The vector is valid
// until emit returns. It stops at the first error of emit.
func (s *Store) EachItem(ctx context.Context, v recsys.Version, emit func(item recsys.Item, vector []float32) error) error {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("items of version %d: %w", v.ID, err)
	}
	defer conn.Release()
	r := &copyReader{columns: 6}
	vector := make([]float32, v.Dimension)
	r.emit = func(fields [][]byte) error {
		if err := unpackVector(vector, fields[1]); err != nil {
			return err
		}
		tags, err := unpackTexts(fields[4])
		if err != nil {
			return err
		}
		return emit(recsys.Item{
			ItemID: string(fields[0]), Title: string(fields[2]), Category: string(fields[3]), Tags: tags,
			Available: bytes.Equal(fields[5], []byte{1}),
		}, vector)
	}
	// Unlike a query, a COPY needs no round trip for the types of its columns.
	sql := fmt.Sprintf(`
		COPY (
			SELECT
				item_id,
				embedding,
				coalesce(title, ''),
				coalesce(category, ''),
				coalesce(tags, '{}'),
				available
			FROM %s.items
		) TO STDOUT (FORMAT binary)`, postgres.SchemaOf(v.ID))
	if _, err := conn.Conn().PgConn().CopyTo(ctx, r, sql); err != nil {
		return fmt.Errorf("items of version %d: %w", v.ID, postgres.Translate(err))
	}
	if !r.ended {
		return fmt.Errorf("items of version %d: %w", v.ID, errCopyFormat)
	}
	return nil
}

var errCopyFormat = errors.New("the response to COPY is not in binary format")

// copyReader parses the response to a COPY in binary format, which arrives in
// pieces of any size: a header, then rows in the format of versions/copy_pack.go,
// then -1.
type copyReader struct {
	columns int
	emit    func(fields [][]byte) error // fields are valid until it returns

	rest   []byte // incomplete row at the end of the last piece
	begun  bool
	ended  bool
	fields [][]byte
}

func (r *copyReader) Write(p []byte) (int, error) {
	in := p
	if len(r.rest) > 0 {
		r.rest = append(r.rest, p...)
		in = r.rest
	}
	for !r.ended {
		n, err := r.next(in)
		if err != nil {
			return 0, err
		}
		if n == 0 { // wait for the rest
			break
		}
		in = in[n:]
	}
	r.rest = append(r.rest[:0], in...)
	return len(p), nil
}

// next parses the header or a row, and returns its length; 0: incomplete.
func (r *copyReader) next(in []byte) (int, error) {
	if !r.begun {
		if len(in) < len(postgres.CopyHeader) {
			return 0, nil
		}
		if !bytes.HasPrefix(in, postgres.CopyHeader) {
			return 0, errCopyFormat
		}
		r.begun = true
		return len(postgres.CopyHeader), nil
	}
	if len(in) < 2 {
		return 0, nil
	}
	columns := int(int16(binary.BigEndian.Uint16(in)))
	if columns == -1 {
		r.ended = true
		return 2, nil
	}
	if columns != r.columns {
		return 0, errCopyFormat
	}
	at := 2
	r.fields = r.fields[:0]
	for range columns {
		if len(in) < at+4 {
			return 0, nil
		}
		size := int(int32(binary.BigEndian.Uint32(in[at:])))
		at += 4
		if size < 0 { // null, which no column allows
			return 0, errCopyFormat
		}
		if len(in) < at+size {
			return 0, nil
		}
		r.fields = append(r.fields, in[at:at+size])
		at += size
	}
	return at, r.emit(r.fields)
}

// unpackVector reads a vector in the format of versions/copy_pack.go, without its
// length.
func unpackVector(dst []float32, field []byte) error {
	if len(field) != 4+4*len(dst) || int(binary.BigEndian.Uint16(field)) != len(dst) {
		return errCopyFormat
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.BigEndian.Uint32(field[4+4*i:]))
	}
	return nil
}

// unpackTexts reads an array of texts without nulls: the number of dimensions,
// whether there are nulls, the element type, the length and lower bound of the one
// dimension, and then the length and the bytes of each text.
func unpackTexts(field []byte) ([]string, error) {
	const header, dimension = 12, 8
	if len(field) < header {
		return nil, errCopyFormat
	}
	if binary.BigEndian.Uint32(field) == 0 {
		return nil, nil
	}
	if binary.BigEndian.Uint32(field) != 1 || len(field) < header+dimension {
		return nil, errCopyFormat
	}
	n, rest := int(binary.BigEndian.Uint32(field[header:])), field[header+dimension:]
	if n > len(rest)/4 {
		return nil, errCopyFormat
	}
	texts := make([]string, n)
	for i := range texts {
		if len(rest) < 4 {
			return nil, errCopyFormat
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		if rest = rest[4:]; size < 0 || size > len(rest) {
			return nil, errCopyFormat
		}
		texts[i], rest = string(rest[:size]), rest[size:]
	}
	return texts, nil
}
