// Package events keeps the events of the stream until every version has counted
// them, what became of each, and how good the lists were that they met.
package events

import "github.com/recflow/recflow/internal/postgres"

// Store reads and writes the streamed events of one database.
type Store struct {
	// DropChunk is how many rows are dropped in one transaction: 20,000. A drop that
	// is cut short keeps what it has done, and a flip waits for one of these and no
	// longer.
	DropChunk int64

	db *postgres.DB
}

// New makes a Store of a database, or of a transaction.
func New(db *postgres.DB) *Store { return &Store{db: db, DropChunk: 20_000} }
