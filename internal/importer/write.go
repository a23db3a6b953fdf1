package importer

import (
	"context"
	"crypto/md5" //nolint:gosec // S3's ETag of a whole object, to decide whether to upload it again
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/recsys"
)

// writer writes the spill of one file to objects of the bucket.
type writer struct {
	store   Store
	sha     string
	again   bool // the file was imported before: objects may exist
	options Options

	mu       sync.Mutex
	progress func(rows int64) // called under mu
	rows     int64            // written so far
	keys     map[string]bool  // every object of this file, written now or before
	out      Objects
}

// Objects counts the objects of an import.
type Objects struct {
	Written   int   `json:"written"`   // new, or with other bytes than before
	Unchanged int   `json:"unchanged"` // already present with the same bytes
	Removed   int   `json:"removed"`   // left by an import with another mapping
	Bytes     int64 `json:"bytes"`     // bytes of the written ones
}

// part sends one object of n rows and reports progress.
func (w *writer) part(ctx context.Context, key string, body []byte, n int64) error {
	unchanged, err := w.put(ctx, key, body)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys[key] = true
	if unchanged {
		w.out.Unchanged++
	} else {
		w.out.Written++
		w.out.Bytes += int64(len(body))
	}
	w.rows += n
	w.progress(w.rows)
	return nil
}

// put sends one object unless the bucket has the same bytes.
func (w *writer) put(ctx context.Context, key string, body []byte) (unchanged bool, err error) {
	if w.again {
		sum := md5.Sum(body) //nolint:gosec // see above
		switch have, err := w.store.Stat(ctx, key); {
		case errors.Is(err, recsys.ErrNotFound):
		case err != nil:
			return false, err
		default:
			unchanged = have.Bytes == int64(len(body)) && have.MD5 == hex.EncodeToString(sum[:])
		}
	}
	if unchanged {
		return true, nil
	}
	return false, w.store.Put(ctx, key, body)
}

// events writes one object per day, and more for a large day. Days are encoded
// and sent in parallel, with one encoder per worker.
func (w *writer) events(ctx context.Context, s *spill) error {
	days := s.partitions()
	next := make(chan *partition)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(next)
		for _, p := range days {
			select {
			case next <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(w.options.Parallel, len(days)) {
		g.Go(func() error {
			enc := newEncoder[eventRow]()
			values := make([]float64, batchRows)
			for p := range next {
				if err := w.day(ctx, s, p, enc, values); err != nil {
					return fmt.Errorf("write the events of %s: %w", dayName(p.key), err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// day writes the objects of one day. values stores the values of a batch.
func (w *writer) day(ctx context.Context, s *spill, p *partition, enc *encoder[eventRow], values []float64) error {
	parts := parted[eventRow]{w: w, enc: enc, key: func(part int) string {
		return eventKey(w.sha, p.key, w.options.Until, part)
	}}
	err := s.read(p, func(text string) error {
		for rest := rows(text); len(rest) > 0; {
			var row eventRow
			rest.event(w.sha, &row, &values[len(enc.batch)])
			if err := parts.add(ctx, row); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return parts.flush(ctx)
}

// items writes the items of a file: of several rows with one id the last one.
func (w *writer) items(ctx context.Context, s *spill, last lastRows, catalog catalogTime) error {
	parts := parted[itemRow]{w: w, enc: newEncoder[itemRow](), key: func(part int) string { return itemKey(w.sha, part) }}
	for _, p := range s.partitions() {
		err := s.read(p, func(text string) error {
			for rest := rows(text); len(rest) > 0; {
				var row itemRow
				if n := rest.item(&row); !last.is(row.ItemID, n) {
					continue
				}
				row.ImportedAt, row.ReplacesBefore = catalog.importedAt, catalog.replacesBefore
				if err := parts.add(ctx, row); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf("write the items: %w", err)
		}
	}
	return parts.flush(ctx)
}

// parted writes rows to objects of at most PartRows rows.
type parted[T any] struct {
	w    *writer
	enc  *encoder[T]
	key  func(part int) string
	part int
}

func (p *parted[T]) add(ctx context.Context, row T) error {
	if err := p.enc.add(row); err != nil {
		return err
	}
	if p.enc.n < int64(p.w.options.PartRows) {
		return nil
	}
	return p.flush(ctx)
}

// flush sends the current object if it has rows.
func (p *parted[T]) flush(ctx context.Context) error {
	if p.enc.n == 0 {
		return nil
	}
	body, err := p.enc.finish()
	if err != nil {
		return err
	}
	err = p.w.part(ctx, p.key(p.part), body, p.enc.n)
	p.part++
	p.enc.reset()
	return err
}

// removeOthers deletes the file's objects of an import with another mapping. It
// runs after all new objects were written.
func (w *writer) removeOthers(ctx context.Context) error {
	for _, prefix := range []string{interactionsPrefix, itemsPrefix} {
		var stale []string
		err := w.store.List(ctx, prefix, func(key string) error {
			name := key[strings.LastIndexByte(key, '/')+1:]
			if strings.HasPrefix(name, w.sha[:16]+"-") && !w.keys[key] {
				stale = append(stale, key)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list objects of the earlier import: %w", err)
		}
		if err := w.store.DeleteObjects(ctx, stale...); err != nil {
			return fmt.Errorf("remove objects of the earlier import: %w", err)
		}
		w.out.Removed += len(stale)
	}
	return nil
}
