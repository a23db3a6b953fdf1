package telemetry

import (
	"context"
	"io"
	"log/slog"
)

// traceKey is the log attribute of the trace ID.
const traceKey = "trace_id"

type traceContext struct{}

// WithTrace returns a context whose log records have the trace ID.
func WithTrace(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, traceContext{}, id)
}

// TraceID returns the trace ID of ctx, or an empty string.
func TraceID(ctx context.Context) string {
	id, _ := ctx.Value(traceContext{}).(string)
	return id
}

// NewLogger returns a logger that writes one JSON object per line to w, from level
// on. A record logged with a context of WithTrace gets its trace ID, so call sites
// pass only the context.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(traceHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// traceHandler adds the trace ID of the context to each record. In a logger of
// WithGroup the ID is inside the group.
type traceHandler struct{ slog.Handler }

// Handle adds the trace ID.
func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := TraceID(ctx); id != "" {
		r.AddAttrs(slog.String(traceKey, id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler that also adds the trace ID.
func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup returns a handler that also adds the trace ID.
func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
