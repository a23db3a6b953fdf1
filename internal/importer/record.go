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

// Record is the bucket's record of an imported file, raw/imports/<sha256>.json.
// It is written before the first object of the file, so a file without a record
// has no objects.
type Record struct {
	SchemaVersion   int       `json:"schema_version"`
	SHA256          string    `json:"sha256"`
	File            string    `json:"file"` // name without folders
	Bytes           int64     `json:"bytes"`
	FirstImportedAt time.Time `json:"first_imported_at"` // never changes; the time of rows that have none

	// How the file was read. An import with another mapping replaces the file's
	// objects.
	Kind      string            `json:"kind"`   // events or items
	Format    string            `json:"format"` // csv, jsonl, parquet or completejourney
	Columns   map[string]string `json:"columns"`
	EventType string            `json:"event_type,omitempty"` // type of rows that have none

	// Replacing is true from the start of an import with another mapping until
	// no object of the earlier mapping is left.
	Replacing bool `json:"replacing,omitempty"`

	// Result of the import that covered most of the file. Until is absent if it
	// covered the whole file.
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

// sameMapping reports whether two imports read a file in the same way.
func (r Record) sameMapping(o Record) bool {
	return r.Kind == o.Kind && r.Format == o.Format && r.EventType == o.EventType && maps.Equal(r.Columns, o.Columns)
}

// reaches reports whether r covers at least as much of the file as o.
func (r Record) reaches(o Record) bool {
	return r.Until == nil || o.Until != nil && !o.Until.After(*r.Until)
}

// claim makes r the record of its file, or returns the existing record. If two
// first imports run concurrently, both get the record of one of them, with its
// time.
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
