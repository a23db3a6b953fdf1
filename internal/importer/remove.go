package importer

import (
	"context"
	"fmt"

	"github.com/recflow/recflow/internal/recsys"
)

// ContinuedError is the error of an import that cannot be removed, because a later
// one continues it: without it, the later one would lack its first rows. It wraps
// recsys.ErrConflict.
type ContinuedError struct {
	File   string // of the later import
	SHA256 string
}

func (e ContinuedError) Error() string {
	return fmt.Sprintf("the later import %s (%s) continues this one and relies on its rows; remove that first", e.SHA256[:16], e.File)
}

// Unwrap returns recsys.ErrConflict.
func (e ContinuedError) Unwrap() error { return recsys.ErrConflict }

// Remove removes an import, the file of which has this SHA-256, and returns its
// number of objects. The next training does not know its rows, and importing the
// file again starts afresh. It can be repeated after an interruption. It returns
// recsys.ErrNotFound if there is no such import.
func Remove(ctx context.Context, store Store, sha256 string) (objects int, err error) {
	all, err := Records(ctx, store)
	if err != nil {
		return 0, err
	}
	var record *Record
	for i := range all {
		if all[i].SHA256 == sha256 {
			record = &all[i]
		}
		for _, c := range all[i].Continues {
			if c.SHA256 == sha256 {
				return 0, ContinuedError{all[i].File, all[i].SHA256}
			}
		}
	}
	if record == nil {
		return 0, fmt.Errorf("import %.16s: %w", sha256, recsys.ErrNotFound)
	}
	// The record goes last: as long as it exists, the removal can be repeated. Until
	// then it does not say that the import is complete.
	if record.Complete {
		record.Complete, record.Replacing = false, true
		body, err := record.encode()
		if err == nil {
			err = store.Put(ctx, record.key(), body)
		}
		if err != nil {
			return 0, fmt.Errorf("record the removal: %w", err)
		}
	}
	w := &writer{store: store, sha: sha256}
	if err := w.removeOthers(ctx); err != nil {
		return w.out.Removed, err
	}
	if err := store.DeleteObjects(ctx, record.key()); err != nil {
		return w.out.Removed, fmt.Errorf("remove the record of the import: %w", err)
	}
	return w.out.Removed, nil
}
