package rest

import (
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/recflow/recflow/internal/telemetry"
)

// observe sets the trace id and the common response headers, and records the result
// in the metrics and the log.
func (a *API) observe(c *gin.Context) {
	began := time.Now()
	k := &call{traceID: traceID(c.GetHeader("Traceparent"))}
	c.Request = c.Request.WithContext(telemetry.WithTrace(withCall(c.Request.Context(), k), k.traceID))
	h := c.Writer.Header()
	h.Set("Trace-Id", k.traceID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	c.Next()
	route := c.FullPath() // the pattern: no ids
	if route == "" {
		route = "none"
	}
	took := time.Since(began)
	a.metrics.request(c.Request.Method, route, c.Writer.Status(), took)
	ctx := c.Request.Context()
	if k.failure != nil {
		a.log.ErrorContext(ctx, "request failed", "error", k.failure)
	}
	level := slog.LevelDebug
	if k.action != "" {
		level = slog.LevelInfo
	}
	a.log.Log(ctx, level, "request", "method", c.Request.Method, "route", route, "status", c.Writer.Status(),
		"duration_ms", took.Milliseconds(), "actor", k.principal.Actor())
}

// recovered responds with 500 when a handler panics.
func (a *API) recovered(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			a.log.ErrorContext(c.Request.Context(), "a handler panicked", "panic", p, "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				writeProblem(c, Fail(http.StatusInternalServerError, "internal", "internal server error", "report the trace id to the operators of recflow"))
			}
		}
	}()
	c.Next()
}

// pathValues decodes the values in the path. Gin's own decoding reads a plus as a
// space, which is right in a query and wrong in a path. Without a RawPath gin
// matched the path that net/url has decoded.
func pathValues(c *gin.Context) {
	if c.Request.URL.RawPath == "" {
		return
	}
	for i, p := range c.Params {
		value, err := url.PathUnescape(p.Value)
		if err != nil { // not expected: net/url has decoded the same text
			writeProblem(c, Fail(http.StatusBadRequest, "invalid_text", "the path is not percent-encoded according to RFC 3986", "encode a percent sign as %25"))
			return
		}
		c.Params[i].Value = value
	}
}

// plainText refuses a URL with null characters or invalid UTF-8, which Postgres
// cannot store as text.
func plainText(c *gin.Context) {
	u := c.Request.URL
	ok := readable(u.Path)
	for name, values := range u.Query() {
		ok = ok && readable(name)
		for _, v := range values {
			ok = ok && readable(v)
		}
	}
	if !ok {
		writeProblem(c, Fail(http.StatusBadRequest, "invalid_text", "the URL contains a null character or is not UTF-8", "remove the character"))
	}
}

func readable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }
