// Package ledger stores backfills and their outcomes, access tokens, and the
// audit.
package ledger

import "github.com/recflow/recflow/internal/postgres"

// Store reads and writes the ledger of one database.
type Store struct{ db *postgres.DB }

// New returns a Store on a database, or on a transaction.
func New(db *postgres.DB) *Store { return &Store{db} }
