// Package embeddings reads what a version holds: its nearest and its popular items,
// items and users by id, and its hold-out. What is said of an item beside the
// versions, such as that it is sold out, overrides what the version says.
package embeddings

import "github.com/recflow/recflow/internal/postgres"

// Store reads the versions of one database. It is safe for concurrent use.
type Store struct {
	// HoldoutPage is about how many events HoldoutUsers reads at once: 5,000.
	HoldoutPage int

	db    *postgres.DB
	cache facetCache
}

// New makes a Store of a database, or of a transaction.
func New(db *postgres.DB) *Store { return &Store{db: db, HoldoutPage: 5_000} }
