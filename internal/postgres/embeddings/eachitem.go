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

// EachItem emits every item of the version with its vector, and whether the
// version lists it, whatever is said of it beside the version. They come in no
// particular order, in one round trip, and are not kept: the vector is valid
// until emit returns. It ends at the first error of emit.
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
	// A COPY asks for no types before, unlike a query.
	sql := fmt.Sprintf("COPY (SELECT item_id, embedding, available FROM %s.items) TO STDOUT (FORMAT binary)", postgres.SchemaOf(v.ID))
	if _, err := conn.Conn().PgConn().CopyTo(ctx, r, sql); err != nil {
		return fmt.Errorf("items of version %d: %w", v.ID, postgres.Translate(err))
	}
	if !r.ended {
		return fmt.Errorf("items of version %d: %w", v.ID, errCopyFormat)
	}
	return nil
}

// Availability is what is said beside the versions of whether items may be
// listed. It holds what was said at the revision, in the sense of UserStates,
// and may hold what was said after it.
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
		return nil, 0, fmt.Errorf("what is said of items: %w", postgres.Translate(err))
	}
	return said, revision, nil
}

var errCopyFormat = errors.New("the server's answer to COPY is not in its binary format")

// copyReader takes the answer to a COPY in binary format apart, in whatever
// pieces it arrives: a header, then rows as packer describes them, then -1.
type copyReader struct {
	columns int
	emit    func(fields [][]byte) error // valid until it returns

	rest   []byte // of a piece that ended within a row
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
		if n == 0 { // the rest has yet to come
			break
		}
		in = in[n:]
	}
	r.rest = append(r.rest[:0], in...)
	return len(p), nil
}

// next reads the header or a row, and returns how long it is; 0: not complete.
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
		if size < 0 { // null, of which there is none
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

// unpackVector is the reverse of packVector without its length.
func unpackVector(dst []float32, field []byte) error {
	if len(field) != 4+4*len(dst) || int(binary.BigEndian.Uint16(field)) != len(dst) {
		return errCopyFormat
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.BigEndian.Uint32(field[4+4*i:]))
	}
	return nil
}
