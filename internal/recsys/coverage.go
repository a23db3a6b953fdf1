package recsys

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Coverage is the set of events that a version was trained on. Training reads
// exactly the covered events; fold-in adds exactly the others.
type Coverage struct {
	From     time.Time `json:"from,omitzero"` // inclusive; zero: unbounded
	To       time.Time `json:"to"`            // exclusive
	StoredTo time.Time `json:"stored_to"`     // exclusive; the time at which the input was read, minus a margin for late delivery
}

// Covers reports whether the version was trained on e:
//
//	covered(e) = e.occurred_at < to AND (e.stored_at, or e.occurred_at if e is imported) < stored_to
//
// The lower end is ignored: an earlier event was excluded from the training on
// purpose, and the stream must not add it. An imported event may be the copy of a
// streamed one that has not reached the bucket: if it occurred after stored_to, the
// stream adds it.
func (c Coverage) Covers(e Event) bool {
	known := e.StoredAt
	if known.IsZero() {
		known = e.OccurredAt
	}
	return e.OccurredAt.Before(c.To) && known.Before(c.StoredTo)
}

// Baseline is the coverage that a training's streamed events are compared from: that
// of the version that was live when the training started, or what an operator has
// accepted. Events that it covers were compared before, and are not compared again.
type Baseline struct {
	Version  int64     `json:"version,omitempty"` // 0: no version
	To       time.Time `json:"to,omitzero"`
	StoredTo time.Time `json:"stored_to,omitzero"` // zero: no event is covered
}

// Coverage returns the streamed events that the baseline covers.
func (b Baseline) Coverage() Coverage { return Coverage{To: b.To, StoredTo: b.StoredTo} }

// StreamedInput is the streamed events that a version covers.
type StreamedInput struct {
	EventSet          // those that Baseline does not cover
	Baseline Baseline `json:"baseline"`
	Days     []DaySet `json:"days,omitempty"` // all, by the UTC day of stored_at, in ascending order
}

// Total is the number of all streamed events that the version covers.
func (s StreamedInput) Total() (n int64) {
	for _, d := range s.Days {
		n += d.Count
	}
	return n
}

// DaySet is the fingerprint of the events that were stored on a day.
type DaySet struct {
	Day string `json:"day"` // YYYY-MM-DD
	EventSet
}

// EventSet is an order-independent fingerprint of stored events: their count
// and the exclusive-or of the first 8 bytes of SHA-256(event_id). An event that
// was deleted and stored again counts twice.
type EventSet struct {
	Count int64  `json:"count"`
	Hash  string `json:"hash"` // 16 hex digits
}

// IDHash is the big-endian integer in the first 8 bytes of SHA-256(prefix + id).
func IDHash(prefix, id string) uint64 {
	sum := sha256.Sum256([]byte(prefix + id))
	return binary.BigEndian.Uint64(sum[:8])
}

// HoldoutBound is an exclusive upper bound, as 16 hex digits: users with
// IDHash("holdout:", user id) below it are in the hold-out.
type HoldoutBound string

// Contains reports whether the user is in the hold-out. A malformed bound
// contains no users; Manifest.Validate rejects it earlier.
func (b HoldoutBound) Contains(userID string) bool {
	bound, err := strconv.ParseUint(string(b), 16, 64)
	return err == nil && IDHash("holdout:", userID) < bound
}

// Horizon describes the streamed events that were deleted: all of them were
// stored before StoredBefore and occurred before OccurredBefore. Both are zero
// while none was deleted.
type Horizon struct {
	StoredBefore, OccurredBefore time.Time

	// TrustedBefore is the time before which the events in the bucket are accepted as
	// they are. It is zero until an operator accepts them, as after a restore.
	TrustedBefore time.Time
}

// Covers reports whether a version with coverage c covers every deleted event.
func (h Horizon) Covers(c Coverage) bool {
	return !h.StoredBefore.After(c.StoredTo) && !h.OccurredBefore.After(c.To)
}
