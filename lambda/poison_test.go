package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
	"github.com/recflow/recflow/internal/stream/streamtest"
)

// every is the number of records per broken record.
const every = 50

func TestHandler_quarantines_invalid_records(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	broken := streamtest.Malformed()
	var raw [][]byte
	var good []recsys.Event
	at := map[string]streamtest.Broken{}
	for i := range every * len(broken) {
		if i%every == every/2 {
			at[sequence(i+1)] = broken[i/every]
			raw = append(raw, broken[i/every].Data)
			continue
		}
		e := click(b.data.Users[i%199].ID, i%400, i)
		good = append(good, e)
		raw = append(raw, stream.EncodeEvent(e))
	}
	require.Empty(t, b.handle(b.raw(raw...)), "it blocks no record")

	refused := b.quarantine()
	require.Len(t, refused, len(broken))
	for _, q := range refused {
		want := at[q.SequenceNumber]
		assert.Equal(t, want.Reason, q.Reason, want.Name)
		assert.Equal(t, want.EventID, q.EventID, want.Name)
		assert.Equal(t, len(want.Data), q.RawBytes, want.Name)
		assert.Equal(t, string(want.Data), string(q.Raw), want.Name)
		assert.NotEmpty(t, q.Detail, want.Name)
		if want.EventID != "" {
			key := events.VerdictKey{EventID: want.EventID, Digest: stream.RawDigest(want.Data)}
			verdicts, err := b.db.Verdicts(t.Context(), []events.VerdictKey{key})
			require.NoError(t, err)
			assert.Equal(t, events.QuarantinedVerdict, verdicts[key].Verdict, want.Name)
			assert.Equal(t, want.Reason, verdicts[key].Reason, want.Name)
		}
	}
	assert.Len(t, b.delivered(), len(good))
	assert.Len(t, b.last(), 199)
	for _, e := range good[:20] {
		assert.Equal(t, events.Folded, b.verdict(e).Verdict)
	}
}

func TestHandler_with_aggregated_records(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	one, two, three := click("u00001", 5, 1), click("u00002", 6, 2), click("u00003", 7, 3)
	aggregate := streamtest.Aggregate(stream.EncodeEvent(one), []byte("{"), stream.EncodeEvent(two))
	in := b.raw(aggregate, stream.EncodeEvent(three))

	t.Run("it retries a whole record for one of its events", func(t *testing.T) {
		b.injects(t, "record refused")
		id := fmt.Sprintf("%q", two.UserID)
		b.out.refuse = func(name string, record []byte) bool { return name == "lists" && bytes.Contains(record, []byte(id)) }
		assert.Equal(t, sequence(1), b.handle(in))
		assert.Equal(t, events.Folded, b.verdict(one).Verdict)
		assert.Empty(t, b.verdict(two).Verdict)
		assert.Equal(t, events.Folded, b.verdict(three).Verdict)
		b.out.refuse = nil
	})
	t.Run("it quarantines only the invalid event of an aggregated record", func(t *testing.T) {
		assert.Empty(t, b.handle(in))
		assert.Equal(t, events.Folded, b.verdict(two).Verdict)
		ids := map[string]bool{}
		for _, q := range b.quarantine() {
			ids[q.QuarantineID] = true
			assert.Equal(t, 1, q.SubSequence)
			assert.Equal(t, []byte("{"), q.Raw)
		}
		assert.Len(t, ids, 1, "under the same id on a retry")
	})
}

// A record that makes the decoder panic must not fail the others.
func TestHandler_quarantines_records_that_panic(t *testing.T) {
	t.Parallel()
	out, err := safeDecode(stream.Record{Data: []byte("x")}, func(stream.Record) []stream.Decoded { panic("broken") })
	require.Len(t, out, 1)
	assert.Equal(t, stream.Undecodable, out[0].Fault.Reason)
	assert.Equal(t, []byte("x"), out[0].Raw)
	require.EqualError(t, err, "panic: broken")
	require.Contains(t, panics.LogAttributes(err)[1], "TestHandler_quarantines_records_that_panic")
}
