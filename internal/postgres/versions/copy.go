package versions

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/trainingrun"
)

// BatchSource yields the batches of one file and then io.EOF;
// trainingrun.Reader is one. A batch is valid until the next call. Next must
// return in bounded time, because CopyFile waits for it even when it is
// cancelled.
type BatchSource interface {
	Next() (trainingrun.Batch, error)
}

// CopyOption changes how CopyFile works.
type CopyOption func(*copyStream)

// WithProgress calls fn with the number of rows sent so far, after each batch
// and from another goroutine, until CopyFile returns. fn must not block.
func WithProgress(fn func(rows int64)) CopyOption {
	return func(s *copyStream) { s.progress = fn }
}

// CopyFile copies a file into the version of the claim and completes the claim,
// in one transaction: either all rows are stored and the slot is done, or
// nothing has changed. It returns recsys.ErrFenced if the claim has been
// replaced, and errors of the source unchanged.
//
// Memory use does not depend on the file size. Cancelling ctx ends the COPY at
// once, also on the server.
func (s *Store) CopyFile(ctx context.Context, c Claim, src BatchSource, options ...CopyOption) (int64, error) {
	if c.Done {
		return c.Rows, nil
	}
	stream := &copyStream{src: src, progress: func(int64) {}}
	for _, o := range options {
		o(stream)
	}
	if err := s.copyFile(ctx, c, stream); err != nil {
		return 0, fmt.Errorf("copy %s into version %d: %w", c.Slot, c.Version, err)
	}
	return stream.rows, nil
}

func (s *Store) copyFile(ctx context.Context, c Claim, stream *copyStream) error {
	// An attempt that was replaced during its download stops here. The check
	// has its own transaction, so that its lock on the version ends before the
	// COPY.
	if err := s.db.InTx(ctx, func(tx pgx.Tx) error { return c.check(ctx, tx) }); err != nil {
		return err
	}
	if err := stream.advance(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return s.db.InTx(ctx, func(tx pgx.Tx) error {
		if stream.batch != nil { // otherwise the file has no rows
			if err := copyRows(ctx, tx, postgres.SchemaOf(c.Version), stream); err != nil {
				return err
			}
		}
		return c.complete(ctx, tx, stream.rows)
	})
}

// copyRows runs one COPY from the stream.
func copyRows(ctx context.Context, tx pgx.Tx, schema string, stream *copyStream) error {
	defer stream.close()
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, stream, "COPY "+schema+"."+stream.batch.target()+" FROM STDIN (FORMAT binary)")
	stream.close()
	switch {
	case stream.err != nil: // the server only repeats it
		return stream.err
	case err != nil && ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	case err != nil:
		return postgres.Translate(err)
	case tag.RowsAffected() != stream.rows:
		return fmt.Errorf("%d rows were sent and %d were stored", stream.rows, tag.RowsAffected())
	}
	return nil
}

// copyStream is the data of a binary COPY. It packs rows directly into the
// buffer that the driver sends.
type copyStream struct {
	src      BatchSource
	progress func(int64)

	mu     sync.Mutex // the driver may read on for a moment after a cancelled COPY has returned
	closed bool

	begun bool
	batch packer // nil before the first and after the last batch
	next  int    // next row of batch
	spill []byte // packed bytes that did not fit into the last buffer
	rows  int64  // packed so far
	err   error  // of the source
}

var copyTrailer = []byte{0xff, 0xff}

// advance reads the next batch from the source.
func (s *copyStream) advance() error {
	s.batch, s.next = nil, 0
	batch, err := s.src.Next()
	if err != nil {
		return err
	}
	s.batch, err = packerOf(batch)
	return err
}

// close makes further reads fail, and waits for a running one.
func (s *copyStream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
}

// Read implements io.Reader.
func (s *copyStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	out := p[:0:len(p)]
	if !s.begun {
		s.begun = true
		s.spill = postgres.CopyHeader
	}
	for {
		n := min(len(s.spill), len(p)-len(out))
		out = append(out, s.spill[:n]...)
		s.spill = s.spill[n:]
		switch {
		case len(s.spill) > 0:
			return len(out), nil
		case s.batch == nil:
			return len(out), io.EOF
		}
		out = s.fill(out)
		if s.next < s.batch.count() {
			if len(out) > 0 {
				return len(out), nil
			}
			// A row that is larger than the whole buffer.
			s.spill = s.batch.pack(make([]byte, 0, s.batch.size(s.next)), s.next)
			s.next++
			s.rows++
			continue
		}
		s.progress(s.rows)
		if err := s.advance(); errors.Is(err, io.EOF) {
			s.spill = copyTrailer
		} else if err != nil {
			s.err = err
			return 0, err
		}
	}
}

// fill packs rows of the batch into the remaining capacity of out.
func (s *copyStream) fill(out []byte) []byte {
	first := s.next
	for count := s.batch.count(); s.next < count; s.next++ {
		if s.batch.size(s.next) > cap(out)-len(out) {
			break
		}
		out = s.batch.pack(out, s.next)
	}
	s.rows += int64(s.next - first)
	return out
}
