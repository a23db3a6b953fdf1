package stream_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
)

var arrived = time.Date(2025, 3, 1, 10, 0, 1, 0, time.UTC)

func record(data []byte) stream.Record {
	return stream.Record{Data: data, Stream: "arn:aws:kinesis:us-east-1:0:stream/s", Shard: "shardId-0", SequenceNumber: "42", ArrivedAt: arrived}
}

func one(t testing.TB, data string) stream.Decoded {
	t.Helper()
	all := stream.Decode(record([]byte(data)))
	require.Len(t, all, 1)
	return all[0]
}

func TestDecode_returns_the_reason_of_each_fault(t *testing.T) {
	t.Parallel()
	require.Nil(t, one(t, streamtest.Good).Fault)
	for _, b := range streamtest.Malformed() {
		t.Run(b.Name, func(t *testing.T) {
			d := one(t, string(b.Data))
			require.NotNil(t, d.Fault)
			assert.Equal(t, b.Reason, d.Fault.Reason, d.Fault.Detail)
			assert.Equal(t, b.EventID, d.EventID)
			assert.Equal(t, b.Data, d.Raw)
			assert.Equal(t, stream.RawDigest(b.Data), d.Digest)
			assert.Equal(t, recsys.Event{}, d.Event)
			assert.NotContains(t, d.Fault.Detail, "u1")
		})
	}
}

func TestDecode_accepts_absent_null_and_unknown_fields(t *testing.T) {
	t.Parallel()
	bare := one(t, streamtest.Good)
	more := one(t, strings.Replace(streamtest.Good, "{", `{"value":null,"session_id":null,"later":{"a":[1,{"b":null}]},"x":null,`, 1))
	require.Nil(t, more.Fault)
	assert.Equal(t, bare.Event, more.Event)
	assert.Equal(t, bare.Digest, more.Digest)

	full := one(t, strings.Replace(streamtest.Good, "}", `,"value":4.5,"session_id":"s","recommendation_id":"r"}`, 1))
	require.Nil(t, full.Fault)
	assert.InDelta(t, 4.5, *full.Event.Value, 0)
	assert.Equal(t, "s", full.Event.SessionID)
	assert.NotEqual(t, bare.Digest, full.Digest)
}

func TestDecode_normalizes_the_time_zone(t *testing.T) {
	t.Parallel()
	utc := one(t, streamtest.Good)
	other := one(t, strings.Replace(streamtest.Good, "10:00:00Z", "12:00:00.0000001+02:00", 1))
	require.Nil(t, other.Fault)
	assert.Equal(t, utc.Digest, other.Digest)
	assert.Equal(t, utc.Event.OccurredAt, other.Event.OccurredAt)
}

func TestDecode_clamps_times_in_the_future(t *testing.T) {
	t.Parallel()
	ahead := one(t, strings.Replace(streamtest.Good, "10:00:00Z", "10:01:01Z", 1))
	assert.False(t, ahead.Clamped, "a minute is tolerated")
	assert.Equal(t, arrived.Add(time.Minute), ahead.Event.OccurredAt)

	far := one(t, strings.Replace(streamtest.Good, "2025", "2095", 1))
	require.Nil(t, far.Fault)
	assert.True(t, far.Clamped)
	assert.Equal(t, arrived, far.Event.OccurredAt)
	assert.NotEqual(t, far.Event.Digest(), far.Digest, "the digest is of the event as sent")
	again := stream.Decode(stream.Record{Data: far.Raw, ArrivedAt: arrived.Add(time.Hour)})[0]
	assert.Equal(t, far.Digest, again.Digest, "so that sending it again is no conflict")
}

func TestDecode_sets_the_time_of_an_event_that_occurs_at_its_arrival(t *testing.T) {
	t.Parallel()
	d := one(t, strings.Replace(streamtest.Good, "2025-03-01T10:00:00Z", stream.AtArrival.Format(time.RFC3339), 1))
	require.Nil(t, d.Fault)
	assert.False(t, d.Clamped, "it is not a wrong clock")
	assert.Equal(t, arrived, d.Event.OccurredAt)
}

// The job's tests check with the same file that it trains on what is stored, and
// drops what is not.
func TestDecode_agrees_with_the_job_on_valid_times(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../recsys/testdata/event_times.json")
	require.NoError(t, err)
	var cases []struct {
		Name       string
		OccurredAt string     `json:"occurred_at"`
		ArrivedAt  time.Time  `json:"arrived_at"`
		Stored     *time.Time // nil if the event is refused
	}
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		r := record([]byte(strings.Replace(streamtest.Good, "2025-03-01T10:00:00Z", c.OccurredAt, 1)))
		r.ArrivedAt = c.ArrivedAt
		d := stream.Decode(r)[0]
		if c.Stored == nil {
			require.NotNil(t, d.Fault, c.Name)
			assert.Equal(t, stream.BadTime, d.Fault.Reason, c.Name)
			continue
		}
		require.Nil(t, d.Fault, c.Name)
		assert.Equal(t, c.Stored.UTC(), d.Event.OccurredAt, c.Name)
	}
}

func TestDecode_splits_aggregated_records(t *testing.T) {
	t.Parallel()
	second := strings.Replace(streamtest.Good, "e1", "e2", 1)
	all := stream.Decode(record(streamtest.Aggregate([]byte(streamtest.Good), []byte("broken"), []byte(second))))
	require.Len(t, all, 3)
	assert.Equal(t, "e1", all[0].Event.EventID)
	assert.Equal(t, stream.NotJSON, all[1].Fault.Reason)
	assert.Equal(t, []byte("broken"), all[1].Raw)
	assert.Equal(t, "e2", all[2].Event.EventID)
	assert.Equal(t, 2, all[2].Sub)
	now := arrived.Add(time.Second)
	first, again := stream.Quarantine(record(nil), all[1], now), stream.Quarantine(record(nil), all[1], now.Add(time.Hour))
	assert.Equal(t, first.QuarantineID, again.QuarantineID)
	assert.NotEqual(t, first.QuarantineID, stream.QuarantineID(first.Stream, first.Shard, first.SequenceNumber, 2))
	assert.Equal(t, 1, first.SubSequence)
}

func TestDecode_takes_records_of_several_events_apart(t *testing.T) {
	t.Parallel()
	first, second, third := streamtest.Good, strings.Replace(streamtest.Good, "e1", "e2", 1), strings.Replace(streamtest.Good, "e1", "}\\\"{", 1)
	pretty := strings.NewReplacer("{", "{\n  ", ",", ",\n  ", "}", "\n}").Replace(first)
	array := "[" + first + ", " + second + ",\n" + third + "]\n"
	for name, data := range map[string][]byte{
		"an array":               []byte(array),
		"an object per line":     []byte(first + "\n" + second + "\r\n\n" + third + "\n"),
		"one after the other":    []byte(first + second + " " + third),
		"pretty-printed":         []byte(pretty + "\n" + second + "\n" + third),
		"gzip":                   streamtest.Gzip([]byte(array)),
		"base64":                 []byte(base64.StdEncoding.EncodeToString([]byte(array))),
		"base64 for URLs":        []byte(base64.RawURLEncoding.EncodeToString([]byte(array)) + "\n"),
		"base64 of gzip":         []byte(base64.StdEncoding.EncodeToString(streamtest.Gzip([]byte(array)))),
		"an aggregate of arrays": streamtest.Aggregate([]byte("["+first+","+second+"]"), streamtest.Gzip([]byte(third))),
	} {
		t.Run(name, func(t *testing.T) {
			all := stream.Decode(record(data))
			require.Len(t, all, 3)
			for i, want := range []string{"e1", "e2", "}\"{"} {
				require.Nil(t, all[i].Fault)
				assert.Equal(t, want, all[i].Event.EventID)
				assert.Equal(t, i, all[i].Sub)
				assert.Equal(t, all[i].Digest, stream.Decode(record(all[i].Raw))[0].Digest)
			}
		})
	}
	for name, data := range map[string]string{
		"an object per line": first + "\n{broken}\n" + second,
		"an array":           "[" + first + ",{broken}," + second + "]",
	} {
		t.Run("it quarantines one alone in "+name, func(t *testing.T) {
			all := stream.Decode(record([]byte(data)))
			require.Len(t, all, 3)
			assert.Nil(t, all[0].Fault)
			assert.Equal(t, stream.NotJSON, all[1].Fault.Reason)
			assert.Equal(t, []byte("{broken}"), all[1].Raw)
			assert.Nil(t, all[2].Fault)
		})
	}
}

func TestEncodeEvent_round_trips(t *testing.T) {
	t.Parallel()
	id := rapid.StringMatching(`[^\p{Cc}\x{FFFD}]{1,60}`)
	rapid.Check(t, func(rt *rapid.T) {
		e := recsys.Event{
			EventID: id.Draw(rt, "event"), UserID: id.Draw(rt, "user"), ItemID: id.Draw(rt, "item"), EventType: id.Draw(rt, "type"),
			OccurredAt: time.UnixMicro(rapid.Int64Range(recsys.EarliestEvent.UnixMicro(), arrived.UnixMicro()).Draw(rt, "at")).UTC(),
		}
		if rapid.Bool().Draw(rt, "more") {
			v := rapid.Float64().Draw(rt, "value")
			e.Value, e.SessionID, e.RecommendationID = &v, id.Draw(rt, "session"), id.Draw(rt, "list")
		}
		if e.Check() != nil {
			rt.Skip("not an event")
		}
		d := stream.Decode(record(stream.EncodeEvent(e)))[0]
		if d.Fault != nil {
			rt.Fatalf("%s: %s", d.Fault.Reason, d.Fault.Detail)
		}
		if d.Digest != e.Digest() || d.Clamped {
			rt.Fatalf("got %+v, want %+v", d.Event, e)
		}
		assert.Equal(rt, e, d.Event)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(streamtest.Good))
	f.Add(streamtest.Aggregate([]byte(streamtest.Good), nil))
	for _, b := range streamtest.Malformed() {
		if len(b.Data) < 1000 {
			f.Add(b.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range stream.Decode(record(data)) {
			if d.Fault != nil {
				continue
			}
			if err := d.Event.Check(); err != nil {
				t.Fatal(err)
			}
			again := stream.Decode(record(stream.EncodeEvent(d.Event)))[0]
			if again.Fault != nil || again.Event.Digest() != d.Event.Digest() {
				t.Fatalf("%+v changed in a round trip", d.Event)
			}
			if !json.Valid(bytes.TrimSpace(d.Raw)) {
				t.Fatal("accepted what is not JSON")
			}
		}
	})
}
