package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a record. They leave room for what is added to an event on its way.
const (
	MaxRecordBytes = 256 << 10   // of one event, after de-aggregation
	MaxDepth       = 8           // of nested JSON
	MaxClockSkew   = time.Minute // an event from further in the future is clamped to its arrival
)

// Why an event cannot be used. The codes are part of the interface: they name
// verdicts, metrics and quarantined records.
const (
	TooLarge       = "too_large"
	NotUTF8        = "not_utf8"
	NotJSON        = "not_json"
	TooDeep        = "too_deep"
	DuplicateField = "duplicate_field"
	MissingField   = "missing_field"
	BadID          = "bad_id"
	BadValue       = "bad_value"
	BadTime        = "bad_time"
	BadAggregate   = "bad_aggregate" // an aggregated record that is damaged
	Conflict       = "conflict"      // another event with the same id was there first
	Undecodable    = "undecodable"   // decoding it panicked; whoever decodes recovers
)

// Record is one record of the stream.
type Record struct {
	Data           []byte
	Stream         string // ARN
	Shard          string
	SequenceNumber string
	PartitionKey   string
	ArrivedAt      time.Time
}

// Fault says why an event cannot be used.
type Fault struct {
	Reason string // a code
	Detail string // a sentence for people, without any part of the record
}

// Decoded is one event of a record, or what is wrong with it.
type Decoded struct {
	Sub     int    // position within an aggregated record; 0 otherwise
	Raw     []byte // the bytes of the event
	Event   recsys.Event
	Digest  [16]byte // recsys.Event.Digest of the event as sent, or RawDigest of a faulty one
	Clamped bool     // OccurredAt was too far in the future and is now the arrival
	Fault   *Fault   // nil: the event can be used
	EventID string   // also of a faulty event, where it can be read
}

// RawDigest stands for the digest of an event that cannot be decoded.
func RawDigest(raw []byte) [16]byte {
	sum := sha256.Sum256(raw)
	return [16]byte(sum[:16])
}

// QuarantineID names a quarantined event by its position in the stream.
func QuarantineID(streamARN, shard, sequenceNumber string, sub int) string {
	sum := sha256.Sum256([]byte(streamARN + "\n" + shard + "\n" + sequenceNumber + "\n" + strconv.Itoa(sub)))
	return hex.EncodeToString(sum[:16])
}

// Quarantine is the document that keeps a faulty event.
func Quarantine(rec Record, d Decoded, now time.Time) Quarantined {
	return Quarantined{
		QuarantineID:   QuarantineID(rec.Stream, rec.Shard, rec.SequenceNumber, d.Sub),
		Reason:         d.Fault.Reason,
		Detail:         d.Fault.Detail,
		EventID:        d.EventID,
		Raw:            d.Raw,
		RawBytes:       len(d.Raw),
		Stream:         rec.Stream,
		Shard:          rec.Shard,
		SequenceNumber: rec.SequenceNumber,
		SubSequence:    d.Sub,
		ArrivedAt:      micros(rec.ArrivedAt),
		QuarantinedAt:  micros(now),
	}
}

func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
