package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"
	"go.temporal.io/api/serviceerror"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// RetrySoon is how long to wait for an unavailable service.
const RetrySoon = 5 * time.Second

// Fail returns a problem.
func Fail(status int, code, detail, next string) *apiclient.Problem {
	return &apiclient.Problem{Status: status, Code: code, Detail: detail, Next: next}
}

// FailAfter returns a problem for a request that may succeed after a delay.
func FailAfter(status int, code, detail, next string, after time.Duration) *apiclient.Problem {
	p := Fail(status, code, detail, next)
	p.RetryAfter = after
	return p
}

// kinds maps our errors to problems. Their text is sent to the caller; the text of
// all other errors is only logged.
var kinds = []struct {
	is     error
	status int
	code   string
	next   string
}{
	{recsys.ErrNotFound, http.StatusNotFound, "not_found", ""},
	{recsys.ErrNoLiveVersion, http.StatusConflict, "no_live_version", "start a training with POST /backfill and promote its version"},
	{recsys.ErrVersionGone, http.StatusConflict, "version_gone", "see GET /versions for versions that have data"},
	{recsys.ErrGateRefused, http.StatusConflict, "gate_refused", "see the gates at GET /versions/{version}"},
	{recsys.ErrConflict, http.StatusConflict, "conflict", "read the current state and decide again"},
}

// ProblemOf returns the problem for an error of one entry in a response, which does
// not fail the request. Details that it does not contain are logged.
func ProblemOf(ctx context.Context, log *slog.Logger, err error) *apiclient.Problem {
	p := classify(ctx, log, err)
	fillIn(ctx, p)
	return p
}

func classify(ctx context.Context, log *slog.Logger, err error) *apiclient.Problem {
	var p *apiclient.Problem
	if errors.As(err, &p) {
		return p
	}
	for _, k := range kinds {
		if errors.Is(err, k.is) {
			return Fail(k.status, k.code, detailOf(err, k.is), k.next)
		}
	}
	switch {
	case TemporalUnavailable(err):
		log.WarnContext(ctx, "Temporal is unreachable", "error", err)
		return FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal is unreachable; nothing was started", "try again", RetrySoon)
	case errors.Is(err, recsys.ErrNotInMemory):
		return FailAfter(http.StatusServiceUnavailable, "not_in_memory", "the API searches in memory only, and the items of the version are not in memory",
			"try again while the version loads, see GET /readyz; if it does not fit, raise RECFLOW_SEARCH_MEMORY or set RECFLOW_SEARCH=auto", RetrySoon)
	case postgres.InvalidText(err):
		return Fail(http.StatusUnprocessableEntity, "invalid_text", "a text contains a character that cannot be stored", "remove null characters")
	case postgres.Unavailable(err):
		log.WarnContext(ctx, "database is unreachable", "error", err)
		return FailAfter(http.StatusServiceUnavailable, "database_unavailable", "the database is unreachable", "try again", RetrySoon)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), postgres.TimedOut(err):
		return FailAfter(http.StatusServiceUnavailable, "out_of_time", "the request timed out", "try again", RetrySoon)
	case postgres.MayRecover(err):
		log.WarnContext(ctx, "connection lost during a request", "error", err)
		return FailAfter(http.StatusServiceUnavailable, "connection_lost", "a connection was lost before the answer, so a change may have been carried out",
			"try again; the ETag or the idempotency key of a change keeps it from being carried out twice", RetrySoon)
	}
	log.ErrorContext(ctx, "request failed", "error", err)
	return Fail(http.StatusInternalServerError, "internal", "internal server error", "report the trace id to the operators of recflow")
}

// detailOf returns the text of an error of the kind is: without the sentinel at its
// end, which repeats the code, and without a message of the database, which names
// tables.
func detailOf(err, is error) string {
	if postgres.FromServer(err) {
		return is.Error()
	}
	return strings.TrimSuffix(err.Error(), ": "+is.Error())
}

// TemporalUnavailable reports whether err means that Temporal is unreachable.
func TemporalUnavailable(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &busy)
}

// complete sets the common fields of a problem and records it for the audit.
func complete(ctx context.Context, p *apiclient.Problem) {
	fillIn(ctx, p)
	callOf(ctx).problem = p
}

// fillIn sets the common fields of a problem.
func fillIn(ctx context.Context, p *apiclient.Problem) {
	p.Type, p.Title, p.TraceID = "/docs#errors", http.StatusText(p.Status), callOf(ctx).traceID
}

// statusCodes are the codes of errors that huma returns.
var statusCodes = map[int]string{
	http.StatusBadRequest:            "bad_request",
	http.StatusNotAcceptable:         "not_acceptable",
	http.StatusRequestTimeout:        "too_slow",
	http.StatusRequestEntityTooLarge: "too_large",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusUnprocessableEntity:   "invalid_request",
	http.StatusInternalServerError:   "internal",
}

func init() {
	huma.DefaultArrayNullable = false // a list without entries is empty, not null
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		p := Fail(status, statusCodes[status], msg, "")
		for _, err := range errs {
			if err == nil {
				continue
			}
			m := apiclient.Mistake{Message: err.Error()}
			var detail huma.ErrorDetailer
			if errors.As(err, &detail) { // omits the value that was sent
				d := detail.ErrorDetail()
				m = apiclient.Mistake{Location: d.Location, Message: d.Message}
			}
			p.Errors = append(p.Errors, m)
		}
		if status == http.StatusUnprocessableEntity {
			p.Next = "see GET /docs for the parameters of this operation"
		}
		return p
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		if status == http.StatusInternalServerError {
			callOf(ctx.Context()).failure = fmt.Errorf("%s: %w", msg, errors.Join(errs...)) // observe logs it
			msg, errs = "internal server error", nil
		}
		p, _ := huma.NewError(status, msg, errs...).(*apiclient.Problem)
		complete(ctx.Context(), p)
		return p
	}
}

// writeProblem responds with a problem outside of an operation.
func writeProblem(c *gin.Context, p *apiclient.Problem) {
	complete(c.Request.Context(), p)
	for name, values := range p.GetHeaders() {
		c.Writer.Header()[name] = values
	}
	c.Header("Content-Type", apiclient.ProblemType)
	c.AbortWithStatusJSON(p.Status, p)
}

// writeHumaProblem responds with a problem before an operation runs.
func (a *API) writeHumaProblem(ctx huma.Context, p *apiclient.Problem) {
	complete(ctx.Context(), p)
	for name, values := range p.GetHeaders() {
		ctx.SetHeader(name, values[0])
	}
	if p.Status == http.StatusUnauthorized {
		ctx.SetHeader("WWW-Authenticate", `Bearer realm="recflow"`)
	}
	ctx.SetHeader("Content-Type", apiclient.ProblemType)
	ctx.SetStatus(p.Status)
	if err := a.operations.Marshal(ctx.BodyWriter(), "application/json", p); err != nil {
		a.log.DebugContext(ctx.Context(), "failed to write a response", "error", err)
	}
}
