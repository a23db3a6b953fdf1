package importer

import (
	"context"
	"time"
)

// Store is the bucket, as far as an import needs it. Its methods are safe for
// concurrent use.
type Store interface {
	// Get returns a small object, or an error that wraps recsys.ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)

	// Stat returns what is known of an object without reading it, or an error
	// that wraps recsys.ErrNotFound.
	Stat(ctx context.Context, key string) (Object, error)

	// PutIfAbsent writes an object unless the key is taken: atomically, and with
	// an error that wraps recsys.ErrConflict when it is.
	PutIfAbsent(ctx context.Context, key string, body []byte) error

	// Put writes a whole object or nothing, over whatever is there.
	Put(ctx context.Context, key string, body []byte) error

	// List calls each for every key that begins with prefix.
	List(ctx context.Context, prefix string, each func(key string) error) error

	// Delete removes objects. One that does not exist counts as removed.
	Delete(ctx context.Context, keys ...string) error
}

// Object is what a Store knows of an object without reading it.
type Object struct {
	Bytes int64
	MD5   string // hex; empty when unknown, and then the object is sent again
}

// The prefixes of the bucket that an import writes. See docs/data.md.
const (
	interactionsPrefix = "raw/interactions/"
	itemsPrefix        = "raw/items/"
	recordsPrefix      = "raw/imports/"
)

// micros is a time with the precision that Spark and Postgres keep.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
