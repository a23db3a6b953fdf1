package trainingrun

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/safeparquet"
)

// Reader decodes one file. A goroutine decodes one or two batches ahead, from
// the first call of Next until Close.
type Reader struct {
	file      recsys.File
	dimension int
	in        *safeparquet.File
	columns   []*column
	decode    func(old Batch, n int) (Batch, error)

	start   sync.Once
	closed  sync.Once
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed when the goroutine has ended
	batches chan Batch    // closed after the last batch, or after err was set
	free    chan Batch    // batches for the goroutine to reuse
	current Batch
	err     error
}

var errClosed = errors.New("the reader is closed")

// Open checks the structure of the Parquet file in r, which is size bytes long:
// its schema against f.Kind, its rows against f.Rows, and the headers of its
// pages for consistency. dimension is the number of values in a vector. Fetch
// checks the size and the SHA-256 of the file before.
func Open(r io.ReaderAt, size int64, f recsys.File, dimension int) (reader *Reader, err error) {
	reader = &Reader{
		file: f, dimension: dimension,
		stop: make(chan struct{}), done: make(chan struct{}),
		batches: make(chan Batch, 1), free: make(chan Batch, 3),
	}
	if err := reader.open(r, size); err != nil {
		return nil, reader.invalid(err)
	}
	return reader, nil
}

// readBuffer is the size of a read from a column chunk if less than a page
// is needed.
const readBuffer = 16 << 10

func (r *Reader) open(in io.ReaderAt, size int64) (err error) {
	defer safeparquet.Recovered(&err)
	if r.dimension < 1 || r.dimension > recsys.MaxDimension {
		return fmt.Errorf("dimension is %d", r.dimension)
	}
	if size != r.file.Bytes {
		return fmt.Errorf("it is %d bytes long and the manifest says %d", size, r.file.Bytes)
	}
	if r.in, err = safeparquet.Open(in, size, fileLimits, parquet.ReadBufferSize(readBuffer)); err != nil {
		return err
	}
	spec := map[string][]columnSpec{recsys.ItemsFile: itemsSpec, recsys.UsersFile: usersSpec, recsys.HoldoutFile: holdoutSpec}[r.file.Kind]
	if spec == nil {
		return fmt.Errorf("kind %q is unknown", r.file.Kind)
	}
	if r.columns, err = bind(r.in.Root(), spec); err != nil {
		return err
	}
	switch r.file.Kind {
	case recsys.ItemsFile:
		r.decode = r.decodeItems
	case recsys.UsersFile:
		r.decode = r.decodeUsers
	case recsys.HoldoutFile:
		r.decode = r.decodeHoldout
	}
	return r.checkGroups()
}

// checkGroups checks the row counts and every chunk that will be read.
func (r *Reader) checkGroups() error {
	meta := r.in.Metadata()
	rows := int64(0)
	for i := range meta.RowGroups {
		group := &meta.RowGroups[i]
		if group.NumRows < 0 || group.NumRows > recsys.MaxFileRows {
			return fmt.Errorf("row group %d claims %d rows", i, group.NumRows)
		}
		rows += group.NumRows
		for _, c := range r.columns {
			if err := r.in.CheckChunk(i, c.leaf); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
	}
	if rows != r.file.Rows || meta.NumRows != rows {
		return fmt.Errorf("it has %d rows, its footer says %d and the manifest %d", rows, meta.NumRows, r.file.Rows)
	}
	return nil
}

// Next returns the next batch, or io.EOF after the last one. After an error it
// returns the same error again. It is not safe for concurrent use.
func (r *Reader) Next() (Batch, error) {
	r.start.Do(func() { go r.run() })
	if r.current != nil {
		r.free <- r.current // never blocks: there are at most three batches
		r.current = nil
	}
	batch, ok := <-r.batches
	if !ok {
		return nil, r.err
	}
	r.current = batch
	return batch, nil
}

// Close stops the decoding and waits until it has stopped. The last batch of
// Next is no longer valid. Close does not close the file.
func (r *Reader) Close() error {
	r.closed.Do(func() {
		close(r.stop)
		r.start.Do(func() { r.err = errClosed; close(r.batches); close(r.done) })
		<-r.done
		for range r.batches { // a batch that was not received
		}
	})
	return nil
}

// run decodes until the end, an error or Close.
func (r *Reader) run() {
	defer close(r.done)
	defer close(r.batches)
	// A fault in the decoder's assembly becomes a recoverable panic.
	debug.SetPanicOnFault(true)
	row := int64(0)
	err := r.decodeAll(&row)
	closing := r.closeColumns()
	var bad *rowError
	switch {
	case err == nil && closing == nil:
		r.err = io.EOF
	case errors.Is(err, errClosed):
		r.err = err
	case errors.As(err, &bad):
		r.err = r.invalid(fmt.Errorf("row %d: %w", row+int64(bad.row)+1, err))
	case row > 0:
		r.err = r.invalid(fmt.Errorf("after row %d: %w", row, errors.Join(err, closing)))
	default:
		r.err = r.invalid(errors.Join(err, closing))
	}
}

// decodeAll decodes every row group. row counts the rows of finished batches.
func (r *Reader) decodeAll(row *int64) (err error) {
	defer safeparquet.Recovered(&err)
	for group := range r.in.Metadata().RowGroups {
		left := r.in.Metadata().RowGroups[group].NumRows
		for _, c := range r.columns {
			if err := c.open(r.in, group); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
		for left > 0 {
			n, err := r.decodeBatch(left)
			if err != nil {
				return err
			}
			left -= int64(n)
			*row += int64(n)
		}
		for _, c := range r.columns {
			if err := c.finish(); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
	}
	return nil
}

func (r *Reader) closeColumns() (err error) {
	defer safeparquet.Recovered(&err)
	var errs []error
	for _, c := range r.columns {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// decodeBatch decodes one batch of at most left rows and sends it.
func (r *Reader) decodeBatch(left int64) (n int, err error) {
	n = int(min(left, maxBatchRows, int64(max(1, maxBatchElements/r.dimension))))
	for _, c := range r.columns {
		if n, err = c.ready(n); err != nil {
			return 0, fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	var old Batch
	select {
	case old = <-r.free:
	default: // the first few batches
	}
	batch, err := r.decode(old, n)
	if err != nil {
		return 0, err
	}
	select {
	case r.batches <- batch:
		return n, nil
	case <-r.stop:
		return 0, errClosed
	}
}

// invalid adds the file to an error, and marks it as not retryable unless the
// storage failed.
func (r *Reader) invalid(err error) error {
	var io *safeparquet.StorageError
	if errors.As(err, &io) {
		return fmt.Errorf("read %s: %w", r.file.Key, err)
	}
	return fmt.Errorf("%w: %s: %w", recsys.ErrManifestInvalid, r.file.Key, err)
}
