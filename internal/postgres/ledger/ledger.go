// Package ledger keeps what people ask for: backfills and what became of them,
// access tokens, and the audit.
package ledger

import "github.com/recflow/recflow/internal/postgres"

// Store reads and writes the ledger of one database.
type Store struct{ db *postgres.DB }

// New makes a Store of a database, or of a transaction.
func New(db *postgres.DB) *Store { return &Store{db} }
