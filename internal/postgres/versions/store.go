// Package versions stores the versions of embeddings: their creation and
// loading, the results of their gates, the live pointer, and their removal.
package versions

import (
	"time"

	"github.com/recflow/recflow/internal/postgres"
)

// Store reads and writes the versions of one database.
type Store struct {
	// ProgressEvery is how often BuildIndexes reports the progress of a running
	// step: every second.
	ProgressEvery time.Duration

	// FrozenAfter is how long the session of an earlier attempt to build the indexes
	// may do nothing before it is ended: two minutes.
	FrozenAfter time.Duration

	db *postgres.DB
}

// New returns a Store on a database, or on a transaction.
func New(db *postgres.DB) *Store {
	return &Store{db: db, ProgressEvery: time.Second, FrozenAfter: 2 * time.Minute}
}
