// Package embeddings reads versions: the nearest and the popular items, items
// and users by id, and the hold-out. Overrides of an item, such as its
// availability, apply on top of the version.
package embeddings

import "github.com/recflow/recflow/internal/postgres"

// Store reads the versions of one database. It is safe for concurrent use.
type Store struct {
	// HoldoutPage is the approximate number of events that HoldoutUsers reads
	// at once: 5,000.
	HoldoutPage int

	db    *postgres.DB
	cache facetCache
}

// New returns a Store on a database, or on a transaction.
func New(db *postgres.DB) *Store { return &Store{db: db, HoldoutPage: 5_000} }
