// Package events stores the events of the stream until every version covers
// them, their verdicts, and the evaluations of the lists.
package events

import "github.com/recflow/recflow/internal/postgres"

// Store reads and writes the streamed events of one database.
type Store struct {
	// DropChunk is the number of rows deleted per transaction: 20,000. An
	// interrupted drop keeps its finished chunks, and a promotion waits for at
	// most one chunk.
	DropChunk int64

	db *postgres.DB
}

// New returns a Store on a database, or on a transaction.
func New(db *postgres.DB) *Store { return &Store{db: db, DropChunk: 20_000} }
