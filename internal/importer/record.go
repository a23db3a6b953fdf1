package importer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/importer/report"
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
	Reading   map[string]string `json:"reading,omitempty"`    // further options that change what rows mean

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
	NoTime   int64      `json:"no_time,omitempty"` // events with the time of the first import

	// A log that begins with the rows of earlier imports continues them. Prefix is a
	// digest of all rows, PrefixButLast that of all but the last, and Checkpoints are
	// those of beginnings, by which a file is recognized that ends earlier.
	Continues     []Continued        `json:"continues,omitempty"`
	Prefix        string             `json:"prefix,omitempty"`
	PrefixButLast string             `json:"prefix_but_last,omitempty"`
	Checkpoints   report.Checkpoints `json:"checkpoints,omitzero"`

	// Of a catalog: when it became current, and the time before which the complete
	// catalog that it is a part of replaces all others.
	CatalogAt      *time.Time `json:"catalog_at,omitempty"`
	ReplacesBefore *time.Time `json:"replaces_before,omitempty"`

	Fingerprint *report.Fingerprint `json:"fingerprint,omitempty"`
	Report      *report.Report      `json:"report,omitempty"`
}

func (r Record) key() string { return recordsPrefix + r.SHA256 + ".json" }

func (r Record) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// sameMapping reports whether two imports read a file in the same way.
func (r Record) sameMapping(o Record) bool { return r.Format == o.Format && r.sameEvents(o) }

// sameEvents reports whether two imports give the same event for the same row, in
// any format.
func (r Record) sameEvents(o Record) bool {
	return r.Kind == o.Kind && r.EventType == o.EventType && maps.Equal(r.Columns, o.Columns) && maps.Equal(r.Reading, o.Reading)
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
func lookUp(ctx context.Context, store Store, r Record) (Record, error) {
	return readRecord(ctx, store, r.key())
}

// maxRecords limits the number of imports whose records are read.
const maxRecords = 10_000

// Records returns the records of all imports in store, the oldest first. It
// returns none if store is nil. An object that is not a record is an error.
func Records(ctx context.Context, store Store) ([]Record, error) {
	if store == nil {
		return nil, nil
	}
	var keys []string
	err := store.List(ctx, recordsPrefix, func(key string) error {
		if strings.HasSuffix(key, ".json") {
			keys = append(keys, key)
		}
		if len(keys) > maxRecords {
			return fmt.Errorf("there are more than %d imports", maxRecords)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the imports: %w", err)
	}
	var mu sync.Mutex
	records := make([]Record, 0, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, key := range keys {
		g.Go(func() error {
			r, err := readRecord(ctx, store, key)
			if errors.Is(err, recsys.ErrNotFound) { // removed since it was listed
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			records = append(records, r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(a.FirstImportedAt.Compare(b.FirstImportedAt), cmp.Compare(a.SHA256, b.SHA256))
	})
	return records, nil
}

func readRecord(ctx context.Context, store Store, key string) (r Record, err error) {
	body, err := store.Get(ctx, key)
	if err != nil {
		return r, fmt.Errorf("read the record of an import: %w", err)
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", key, err)
	}
	if r.SchemaVersion != 1 || key != r.key() || r.FirstImportedAt.IsZero() {
		return r, fmt.Errorf("%s is not the record of an import", key)
	}
	return r, nil
}
