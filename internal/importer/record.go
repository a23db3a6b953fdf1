package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// Record is what the bucket keeps of a file that was imported, under
// raw/imports/<sha256>.json. It is claimed before the first object of the file
// is written, so a file without a record has no objects.
type Record struct {
	SchemaVersion   int       `json:"schema_version"`
	SHA256          string    `json:"sha256"`
	File            string    `json:"file"` // its name without folders
	Bytes           int64     `json:"bytes"`
	FirstImportedAt time.Time `json:"first_imported_at"` // never changes: the time of rows that have none

	// How the file was read. Another mapping replaces what the file gave before.
	Kind      string            `json:"kind"`   // events or items
	Format    string            `json:"format"` // csv, jsonl, parquet or completejourney
	Columns   map[string]string `json:"columns"`
	EventType string            `json:"event_type,omitempty"` // of rows that name none

	// Replacing is true from the moment another mapping begins to replace what the
	// file gave until nothing of the earlier one is left.
	Replacing bool `json:"replacing,omitempty"`

	// What the import that went furthest found. Until is absent when it took the
	// whole file.
	Complete bool       `json:"complete"`
	Until    *time.Time `json:"until,omitempty"`
	Rows     int64      `json:"rows"`
	Accepted int64      `json:"accepted"` // events or items written
	Rejected int64      `json:"rejected"`
}

func (r Record) key() string { return recordsPrefix + r.SHA256 + ".json" }

func (r Record) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// sameMapping tells whether two imports read a file alike.
func (r Record) sameMapping(o Record) bool {
	return r.Kind == o.Kind && r.Format == o.Format && r.EventType == o.EventType && maps.Equal(r.Columns, o.Columns)
}

// reaches tells whether r took at least as much of the file as o.
func (r Record) reaches(o Record) bool {
	return r.Until == nil || o.Until != nil && !o.Until.After(*r.Until)
}

// claim makes r the record of its file, or returns the one that is there. Of two
// first imports at once one wins, and both get the winner's time.
func claim(ctx context.Context, store Store, r Record) (_ Record, again bool, err error) {
	body, err := r.encode()
	if err != nil {
		return r, false, err
	}
	err = store.PutIfAbsent(ctx, r.key(), body)
	if err == nil {
		return r, false, nil
	}
	if !errors.Is(err, recsys.ErrConflict) {
		return r, false, fmt.Errorf("record the import: %w", err)
	}
	old, err := lookUp(ctx, store, r)
	return old, true, err
}

// lookUp reads the record of r's file, or returns recsys.ErrNotFound.
func lookUp(ctx context.Context, store Store, r Record) (old Record, err error) {
	body, err := store.Get(ctx, r.key())
	if err != nil {
		return old, fmt.Errorf("read the record of the first import: %w", err)
	}
	if err := json.Unmarshal(body, &old); err != nil {
		return old, fmt.Errorf("read %s: %w", r.key(), err)
	}
	if old.SchemaVersion != 1 || old.SHA256 != r.SHA256 || old.FirstImportedAt.IsZero() {
		return old, fmt.Errorf("%s is not the record of this file", r.key())
	}
	return old, nil
}
