package main

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	var out bytes.Buffer
	b.Function, b.EvaluateShare = "recflow-stream", 1
	tomorrow := click("outsider", 5, 21)
	tomorrow.ItemID = "an-item-of-tomorrow"
	future := click("u00002", 6, 22)
	future.OccurredAt = arrival.Add(time.Hour)
	share := click("u00002", 7, 23)
	share.EventType = "share"
	other := click("u00001", 5, 1)
	other.ItemID = "i000099"
	var raw [][]byte
	for _, e := range []recsys.Event{click("u00001", 5, 1), other, click("newcomer", 9, 2), tomorrow, future, share} {
		raw = append(raw, stream.EncodeEvent(e))
	}
	in := b.raw(append(raw, []byte("{"))...)
	b.Now = func() time.Time { return arrival.Add(3 * time.Second) }

	batch := b.process(t.Context(), in)
	batch.times = times{store: 1500 * time.Microsecond, read: 2 * time.Millisecond, fold: 3 * time.Millisecond, search: 40 * time.Millisecond, write: 5 * time.Millisecond}
	require.NoError(t, b.line(batch, b.Now()).Write(&out))
	want, err := os.ReadFile("testdata/metrics.golden.json")
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}
