package telemetry

import (
	"context"
	"io"
	"log/slog"
)

// traceKey is the attribute that names the trace of a log record.
const traceKey = "trace_id"

type traceContext struct{}

// WithTrace returns a context whose log records carry the trace id.
func WithTrace(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, traceContext{}, id)
}

// TraceID returns the trace id of ctx, or an empty string.
func TraceID(ctx context.Context) string {
	id, _ := ctx.Value(traceContext{}).(string)
	return id
}

// NewLogger returns a logger that writes a JSON object a line to w, from level on.
// A record that is logged with a context of WithTrace gets its trace id, so call
// sites pass the context and no id.
func NewLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(traceHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})})
}

// traceHandler adds the trace id of the context to each record. It has no groups
// of its own: in a logger of WithGroup the id is inside the group.
type traceHandler struct{ slog.Handler }

// Handle adds the trace id.
func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if id := TraceID(ctx); id != "" {
		r.AddAttrs(slog.String(traceKey, id))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the trace id in loggers made of this one.
func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the trace id in loggers made of this one.
func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
