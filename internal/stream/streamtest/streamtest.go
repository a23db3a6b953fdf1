// Package streamtest makes records of the stream for tests: broken ones, with
// one mistake each, and aggregated ones.
package streamtest

import (
	"bytes"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // the checksum of the format
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/recflow/recflow/internal/stream"
)

// Broken is an invalid record.
type Broken struct {
	Name    string
	Data    []byte
	Reason  string // expected reason code
	EventID string // expected event id, if it can be read
}

// Good is a valid event as a producer would write it.
const Good = `{"event_id":"e1","user_id":"u1","item_id":"i1","event_type":"click","occurred_at":"2025-03-01T10:00:00Z"}`

// Malformed returns one broken record for each kind of mistake.
func Malformed() []Broken {
	long := strings.Repeat("x", 257)
	with := func(old, new string) []byte {
		s := strings.Replace(Good, old, new, 1)
		if s == Good {
			panic("the replacement " + old + " changes nothing")
		}
		return []byte(s)
	}
	add := func(field string) []byte { return with("}", ","+field+"}") }
	aggregate := Aggregate([]byte(Good), []byte(Good))
	damaged := append([]byte(nil), aggregate...)
	damaged[10] ^= 1
	return []Broken{
		{"empty", []byte{}, stream.NotJSON, ""},
		{"text", []byte("click"), stream.NotJSON, ""},
		{"an empty array", []byte("[]"), stream.NotJSON, ""},
		{"an array of texts", []byte(`["x"]`), stream.NotJSON, ""},
		{"an array without its end", []byte("[" + Good + "," + Good), stream.NotJSON, ""},
		{"a string", []byte(`"x"`), stream.NotJSON, ""},
		{"truncated", []byte(Good[:60]), stream.NotJSON, "e1"},
		{"an extra comma", with("}", ",}"), stream.NotJSON, "e1"},
		{"trailing data", []byte(Good + " x"), stream.NotJSON, "e1"},
		{"no quotes", with(`"click"`, `click`), stream.NotJSON, "e1"},
		{"NaN", add(`"value":NaN`), stream.NotJSON, "e1"},
		{"a control character", with("click", "cl\x01ick"), stream.NotJSON, "e1"},
		{"a byte order mark", []byte("\ufeff" + Good), stream.NotJSON, ""},
		{"half a character", with("u1", "u\xc3"), stream.NotUTF8, ""},
		{"half a surrogate pair", with("u1", `u\ud800`), stream.NotUTF8, "e1"},
		{"the other half", with("u1", `u\udc00x`), stream.NotUTF8, "e1"},
		{"a field twice", add(`"user_id":"u2"`), stream.DuplicateField, "e1"},
		{"an unknown field twice", add(`"x":1,"x":2`), stream.DuplicateField, "e1"},
		{"nested too deep", add(`"x":` + strings.Repeat("[", 9) + strings.Repeat("]", 9)), stream.TooDeep, "e1"},
		{"too large", add(`"x":"` + strings.Repeat("y", stream.MaxRecordBytes) + `"`), stream.TooLarge, ""},
		{"no event_id", with(`"event_id":"e1",`, ""), stream.MissingField, ""},
		{"no user_id", with(`"user_id":"u1",`, ""), stream.MissingField, "e1"},
		{"an empty user_id", with(`"u1"`, `""`), stream.MissingField, "e1"},
		{"a null item_id", with(`"i1"`, `null`), stream.MissingField, "e1"},
		{"another case", with(`"item_id"`, `"Item_ID"`), stream.MissingField, "e1"},
		{"no event_type", with(`"event_type":"click",`, ""), stream.MissingField, "e1"},
		{"no occurred_at", with(`,"occurred_at":"2025-03-01T10:00:00Z"`, ""), stream.MissingField, "e1"},
		{"a number as user_id", with(`"u1"`, `17`), stream.BadID, "e1"},
		{"an object as item_id", with(`"i1"`, `{"id":"i1"}`), stream.BadID, "e1"},
		{"a long user_id", with(`"u1"`, `"`+long+`"`), stream.BadID, "e1"},
		{"a long event_id", with(`"e1"`, `"`+long+`"`), stream.BadID, ""},
		{"a line break in an id", with(`"i1"`, `"i\n1"`), stream.BadID, "e1"},
		{"a NUL character in an id", with(`"i1"`, `"i\u0000"`), stream.BadID, "e1"},
		{"a long session_id", add(`"session_id":"` + long + `"`), stream.BadID, "e1"},
		{"a text as value", add(`"value":"4"`), stream.BadValue, "e1"},
		{"an infinite value", add(`"value":1e999`), stream.BadValue, "e1"},
		{"a time without a zone", with("10:00:00Z", "10:00:00"), stream.BadTime, "e1"},
		{"a date without a time", with("T10:00:00Z", ""), stream.BadTime, "e1"},
		{"an invalid month", with("2025-03", "2025-13"), stream.BadTime, "e1"},
		{"a number as time", with(`"2025-03-01T10:00:00Z"`, "1740823200"), stream.BadTime, "e1"},
		{"before 1971", with("2025", "1970"), stream.BadTime, "e1"},
		{"an aggregate with another checksum", damaged, stream.BadAggregate, ""},
		{"a truncated aggregate", aggregate[:12], stream.BadAggregate, ""},
		{"an aggregate of too many events", Aggregate(make([][]byte, stream.MaxAggregated+1)...), stream.BadAggregate, ""},
		{"an array of too many events", []byte("[" + strings.Repeat("{},", stream.MaxAggregated) + "{}]"), stream.BadAggregate, ""},
		{"truncated gzip", Gzip([]byte(Good))[:40], stream.BadEncoding, ""},
		{"gzip of zeros", Gzip(make([]byte, 1<<22)), stream.TooLarge, ""},
		{"an empty aggregate", Aggregate(), stream.BadAggregate, ""},
		{"an aggregate that is not a message", sealed([]byte{0xff, 0xff, 0xff}), stream.BadAggregate, ""},
	}
}

// Gzip compresses a record.
func Gzip(record []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(record)
	_ = z.Close() // writing to a buffer cannot fail
	return b.Bytes()
}

// Aggregate aggregates records in the format of the Kinesis Producer Library.
func Aggregate(records ...[]byte) []byte {
	message := protowire.AppendTag(nil, 1, protowire.BytesType)
	message = protowire.AppendString(message, "key")
	for _, r := range records {
		record := protowire.AppendTag(nil, 1, protowire.VarintType)
		record = protowire.AppendVarint(record, 0)
		record = protowire.AppendTag(record, 3, protowire.BytesType)
		record = protowire.AppendBytes(record, r)
		message = protowire.AppendTag(message, 3, protowire.BytesType)
		message = protowire.AppendBytes(message, record)
	}
	return sealed(message)
}

func sealed(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // the checksum of the format
	out := append([]byte{0xF3, 0x89, 0x9A, 0xC2}, message...)
	return append(out, sum[:]...)
}
