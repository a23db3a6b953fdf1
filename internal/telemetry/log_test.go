package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/telemetry"
)

func TestNewLogger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	record := func() map[string]any {
		t.Helper()
		fields := map[string]any{}
		require.NoError(t, json.Unmarshal(out.Bytes(), &fields), out.String())
		out.Reset()
		return fields
	}
	level := new(slog.LevelVar)
	log := telemetry.NewLogger(&out, level)
	ctx := telemetry.WithTrace(t.Context(), "4bf92f3577b34da6a3ce929d0e0e4736")
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", telemetry.TraceID(ctx))
	assert.Empty(t, telemetry.TraceID(t.Context()))

	log.WarnContext(ctx, "stream throttled", "error", errors.New("slow down"))
	got := record()
	assert.Equal(t, []any{"WARN", "stream throttled", "slow down", "4bf92f3577b34da6a3ce929d0e0e4736"}, []any{got["level"], got["msg"], got["error"], got["trace_id"]})

	log.With("shard", "0").InfoContext(context.WithoutCancel(ctx), "reading")
	got = record()
	assert.Equal(t, []any{"0", "4bf92f3577b34da6a3ce929d0e0e4736"}, []any{got["shard"], got["trace_id"]}, "derived loggers add it too")

	for _, without := range []context.Context{t.Context(), telemetry.WithTrace(ctx, "")} {
		log.InfoContext(without, "ready")
		assert.NotContains(t, record(), "trace_id")
	}
	log.DebugContext(ctx, "below the level")
	assert.Empty(t, out.String())
	level.Set(slog.LevelDebug)
	log.DebugContext(ctx, "fine")
	assert.Equal(t, "DEBUG", record()["level"])
}
