package recsys

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Coverage is what a version has already counted. Training reads exactly the
// covered events; fold-in adds exactly the others.
type Coverage struct {
	From     time.Time `json:"from,omitzero"` // inclusive; zero for no lower end
	To       time.Time `json:"to"`            // exclusive
	StoredTo time.Time `json:"stored_to"`     // exclusive; the time the input was read minus a margin for late delivery
}

// Covers reports whether the version has counted e:
//
//	covered(e) = e.occurred_at < to AND (e is imported OR e.stored_at < stored_to)
//
// The lower end plays no part: an event before it was left out of the training
// on purpose and must not come back through the stream.
func (c Coverage) Covers(e Event) bool {
	return e.OccurredAt.Before(c.To) && (e.StoredAt.IsZero() || e.StoredAt.Before(c.StoredTo))
}

// EventSet is an order-free fingerprint of stored events: their count and the
// exclusive-or of the first 8 bytes of SHA-256(event_id). An event that was
// dropped and stored again counts twice.
type EventSet struct {
	Count int64  `json:"count"`
	Hash  string `json:"hash"` // 16 hex digits
}

// IDHash is the big-endian integer in the first 8 bytes of SHA-256(prefix + id).
func IDHash(prefix, id string) uint64 {
	sum := sha256.Sum256([]byte(prefix + id))
	return binary.BigEndian.Uint64(sum[:8])
}

// HoldoutBound is the upper end, written as 16 hex digits, under which
// IDHash("holdout:", user id) puts a user into the hold-out.
type HoldoutBound string

// Contains reports whether the user belongs to the hold-out under this bound.
// A malformed bound contains nobody; Manifest.Validate refuses it earlier.
func (b HoldoutBound) Contains(userID string) bool {
	bound, err := strconv.ParseUint(string(b), 16, 64)
	return err == nil && IDHash("holdout:", userID) < bound
}

// Horizon says which streamed events are no longer kept: all of them were
// stored before StoredBefore and occurred before OccurredBefore. Both are zero
// while nothing has been dropped.
type Horizon struct{ StoredBefore, OccurredBefore time.Time }

// Covers reports whether a version with coverage c has counted every event that
// is no longer kept.
func (h Horizon) Covers(c Coverage) bool {
	return !h.StoredBefore.After(c.StoredTo) && !h.OccurredBefore.After(c.To)
}
