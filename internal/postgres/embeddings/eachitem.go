package embeddings

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// EachItem calls emit for every item of the version, with its vector and its
// availability in the version, without overrides. The order is undefined. It
// takes one round trip and does not buffer: the vector is valid until emit
// returns. It stops at the first error of emit.
func (s *Store) EachItem(ctx context.Context, v recsys.Version, emit func(itemID string, vector []float32, available bool) error) error {
	conn, err := s.db.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("items of version %d: %w", v.ID, err)
	}
	defer conn.Release()
	r := &copyReader{columns: 3}
	vector := make([]float32, v.Dimension)
	r.emit = func(fields [][]byte) error {
		if err := unpackVector(vector, fields[1]); err != nil {
			return err
		}
		return emit(string(fields[0]), vector, bytes.Equal(fields[2], []byte{1}))
	}
	// Unlike a query, COPY needs no round trip for types.
	sql := fmt.Sprintf("COPY (SELECT item_id, embedding, available FROM %s.items) TO STDOUT (FORMAT binary)", postgres.SchemaOf(v.ID))
	if _, err := conn.Conn().PgConn().CopyTo(ctx, r, sql); err != nil {
		return fmt.Errorf("items of version %d: %w", v.ID, postgres.Translate(err))
	}
	if !r.ended {
		return fmt.Errorf("items of version %d: %w", v.ID, errCopyFormat)
	}
	return nil
}

// Availability is the overridden availability of items. It includes every
// change up to the revision, in the sense of UserStates, and may include later
// ones.
func (s *Store) Availability(ctx context.Context) (said map[string]bool, revision int64, err error) {
	said = map[string]bool{}
	batch := &pgx.Batch{}
	batch.Queue("SELECT revision FROM recflow.item_changes").QueryRow(func(row pgx.Row) error { return row.Scan(&revision) })
	batch.Queue("SELECT item_id, available FROM recflow.item_state WHERE available IS NOT NULL").Query(func(rows pgx.Rows) error {
		var id string
		var available bool
		_, err := pgx.ForEachRow(rows, []any{&id, &available}, func() error {
			said[id] = available
			return nil
		})
		return err
	})
	if err := s.db.SendBatch(ctx, batch).Close(); err != nil {
		return nil, 0, fmt.Errorf("read availability overrides: %w", postgres.Translate(err))
	}
	return said, revision, nil
}

var errCopyFormat = errors.New("the response to COPY is not in binary format")

// copyReader parses the response to a COPY in binary format, which arrives in
// pieces of any size: a header, then rows in the format that packer describes,
// then -1.
type copyReader struct {
	columns int
	emit    func(fields [][]byte) error // fields are valid until it returns

	rest   []byte // start of a row that the last piece did not complete
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

// unpackVector is the inverse of packVector, without the length.
func unpackVector(dst []float32, field []byte) error {
	if len(field) != 4+4*len(dst) || int(binary.BigEndian.Uint16(field)) != len(dst) {
		return errCopyFormat
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.BigEndian.Uint32(field[4+4*i:]))
	}
	return nil
}
