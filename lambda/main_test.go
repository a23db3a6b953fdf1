package main

import (
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestStart(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	set := func(t *testing.T, address string) {
		for name, value := range map[string]string{
			"RECFLOW_DATABASE_URL": address, "RECFLOW_DATABASE_MAX_CONNS": "2", "RECFLOW_BUCKET": "bucket", "AWS_REGION": "eu-central-1",
			"RECFLOW_FIREHOSE_RECOMMENDATIONS": "lists", "RECFLOW_FIREHOSE_EVENTS": "events", "RECFLOW_FIREHOSE_QUARANTINE": "quarantine",
		} {
			t.Setenv(name, value)
		}
	}
	t.Run("it opens the database before the first batch", func(t *testing.T) {
		set(t, postgrestest.URL(t))
		h, err := newHandler(t.Context(), log, new(slog.LevelVar))
		require.NoError(t, err)
		assert.NotNil(t, h.stores)
		assert.Equal(t, Deliveries{Recommendations: "lists", Events: "events", Quarantine: "quarantine"}, h.Deliveries)
	})
	t.Run("it starts within seconds when the database hangs", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never responds
		require.NoError(t, err)
		defer l.Close()
		set(t, "postgres://u:p@"+l.Addr().String()+"/d?sslmode=disable")
		begin := time.Now()
		h, err := newHandler(t.Context(), log, new(slog.LevelVar))
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), 2*openWithin)
		b := &bundle{t: t, Handler: h}
		in := b.batch(click("u00001", 1, 1), click("u00002", 1, 1))
		assert.Equal(t, sequence(1), b.within(2*time.Second, in), "the batch fails, the environment does not")
	})
	t.Run("it does not start without its settings", func(t *testing.T) {
		_, err := newHandler(t.Context(), log, new(slog.LevelVar))
		assert.ErrorContains(t, err, "RECFLOW_DATABASE_URL")
	})
}
