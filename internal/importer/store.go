package importer

import (
	"context"
	"time"
)

// Store is the bucket. Its methods are safe for concurrent use.
type Store interface {
	// Get returns a small object, or an error that wraps recsys.ErrNotFound.
	Get(ctx context.Context, key string) ([]byte, error)

	// Stat returns the metadata of an object without reading it, or an error
	// that wraps recsys.ErrNotFound.
	Stat(ctx context.Context, key string) (Object, error)

	// PutIfAbsent atomically writes an object unless the key exists; then it
	// returns an error that wraps recsys.ErrConflict.
	PutIfAbsent(ctx context.Context, key string, body []byte) error

	// Put writes a whole object or nothing, and replaces an existing one.
	Put(ctx context.Context, key string, body []byte) error

	// List calls each for every key that begins with prefix.
	List(ctx context.Context, prefix string, each func(key string) error) error

	// DeleteObjects removes objects. An object that does not exist is not an error.
	DeleteObjects(ctx context.Context, keys ...string) error
}

// Object is the metadata of an object.
type Object struct {
	Bytes int64
	MD5   string // hex; empty if unknown, and then the object is sent again
}

// The prefixes that an import writes to. See docs/data.md.
const (
	interactionsPrefix = "raw/interactions/"
	itemsPrefix        = "raw/items/"
	recordsPrefix      = "raw/imports/"
)

// micros truncates a time to the precision of Spark and Postgres.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
