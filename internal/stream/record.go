package stream

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a record. They leave room for the fields that are added to an event
// later.
const (
	MaxRecordBytes = 256 << 10   // of one event, after de-aggregation
	MaxDepth       = 8           // of nested JSON
	MaxClockSkew   = time.Minute // a later event time is clamped to the arrival
)

// AtArrival is the time of an event that occurs when it arrives. Like any time too
// far in the future it is replaced by the arrival, so the content of the event, and
// with it its digest, is the same however often it is sent.
var AtArrival = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// Reasons why an event is invalid. The codes are part of the public interface:
// they are used in verdicts, metrics and quarantined records.
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
	BadAggregate   = "bad_aggregate" // a damaged aggregated record, or one of too many events
	BadEncoding    = "bad_encoding"  // gzip data that cannot be unpacked
	Conflict       = "conflict"      // an event with the same id and other content was stored before
	Undecodable    = "undecodable"   // decoding it panicked
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

// Fault is the reason why an event is invalid.
type Fault struct {
	Reason string // a reason code
	Detail string // a sentence for people, without any part of the record
}

// Decoded is one event of a record, or its fault.
type Decoded struct {
	Sub     int    // position within a record of several events; 0 otherwise
	Raw     []byte // the bytes of the event
	Event   recsys.Event
	Digest  [16]byte // recsys.Event.Digest of the event as sent, or RawDigest of a faulty one
	Clamped bool     // OccurredAt was too far in the future, other than AtArrival, and was set to the arrival
	Fault   *Fault   // nil: the event is valid
	EventID string   // also of a faulty event, if it can be read
}

// RawDigest returns the digest of an event that cannot be decoded.
func RawDigest(raw []byte) [16]byte {
	sum := sha256.Sum256(raw)
	return [16]byte(sum[:16])
}

// QuarantineID identifies a quarantined event by its position in the stream.
func QuarantineID(streamARN, shard, sequenceNumber string, sub int) string {
	sum := sha256.Sum256([]byte(streamARN + "\n" + shard + "\n" + sequenceNumber + "\n" + strconv.Itoa(sub)))
	return hex.EncodeToString(sum[:16])
}

// Quarantine returns the quarantine document of a faulty event.
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
