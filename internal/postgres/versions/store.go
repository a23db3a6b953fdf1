// Package versions keeps the versions of embeddings: how one is made and filled,
// what its gates found, which one is live, and when one goes.
package versions

import (
	"time"

	"github.com/recflow/recflow/internal/postgres"
)

// Store reads and writes the versions of one database.
type Store struct {
	// ProgressEvery is how often BuildIndexes looks at a running step and reports
	// it: every second.
	ProgressEvery time.Duration

	db *postgres.DB
}

// New makes a Store of a database, or of a transaction.
func New(db *postgres.DB) *Store { return &Store{db: db, ProgressEvery: time.Second} }
