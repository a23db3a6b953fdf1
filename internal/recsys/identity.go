package recsys

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Digest identifies the content of an event: the first 16 bytes of SHA-256 over
// its ids, type, value and times as they were sent. Two events with one
// event_id and different digests are in conflict. StoredAt is not included.
func (e Event) Digest() [16]byte {
	h := newFields()
	for _, s := range []string{e.EventID, e.UserID, e.ItemID, e.EventType, e.SessionID, e.RecommendationID} {
		h.text(s)
	}
	if e.Value == nil {
		h.number(0)
	} else {
		h.number(1)
		h.number(math.Float64bits(*e.Value))
	}
	h.number(uint64(e.OccurredAt.UnixMicro()))
	return h.sum()
}

// RecommendationID identifies a list by the state that it was computed from:
// the user, the version, the configuration, and the uncovered events that
// affect it, whose ids are sorted and distinct. The same state gives the same
// id, and lists with the same id have the same items.
func RecommendationID(userID string, version int64, configHash string, eventIDs []string) string {
	h := newFields()
	h.text(userID)
	h.number(uint64(version))
	h.text(configHash)
	for _, id := range eventIDs {
		h.text(id)
	}
	sum := h.sum()
	return hex.EncodeToString(sum[:])
}

// fields hashes a sequence of values, each prefixed with its length, so that
// the encoding is unambiguous.
type fields struct{ buf []byte }

func newFields() *fields { return &fields{} }

func (f *fields) text(s string) {
	f.number(uint64(len(s)))
	f.buf = append(f.buf, s...)
}

func (f *fields) number(n uint64) { f.buf = binary.BigEndian.AppendUint64(f.buf, n) }

func (f *fields) sum() [16]byte {
	sum := sha256.Sum256(f.buf)
	return [16]byte(sum[:16])
}
