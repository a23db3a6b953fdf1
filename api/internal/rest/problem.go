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

// Fail is the answer to a request that is not done.
func Fail(status int, code, detail, next string) *apiclient.Problem {
	return &apiclient.Problem{Status: status, Code: code, Detail: detail, Next: next}
}

// FailAfter is Fail for what may work later.
func FailAfter(status int, code, detail, next string, after time.Duration) *apiclient.Problem {
	p := Fail(status, code, detail, next)
	p.RetryAfter = after
	return p
}

// kinds maps our errors to answers. Their own text is meant for people and is
// sent; the text of everything else is logged.
var kinds = []struct {
	is     error
	status int
	code   string
	next   string
}{
	{recsys.ErrNotFound, http.StatusNotFound, "not_found", ""},
	{recsys.ErrNoLiveVersion, http.StatusConflict, "no_live_version", "start a training with POST /backfill and promote its version"},
	{recsys.ErrVersionGone, http.StatusConflict, "version_gone", "see GET /versions for those that have data"},
	{recsys.ErrGateRefused, http.StatusConflict, "gate_refused", "see the gates at GET /versions/{version}"},
	{recsys.ErrConflict, http.StatusConflict, "conflict", "look at the present state and decide again"},
}

// ProblemOf returns the problem for an error inside an answer, which is not the
// problem of the request. Details that it does not contain are logged.
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
			// The sentinel at the end says what the code says.
			return Fail(k.status, k.code, strings.TrimSuffix(err.Error(), ": "+k.is.Error()), k.next)
		}
	}
	switch {
	case TemporalUnavailable(err):
		log.WarnContext(ctx, "Temporal is unreachable", "error", err)
		return FailAfter(http.StatusServiceUnavailable, "temporal_unavailable", "Temporal does not answer; nothing was started", "try again", RetrySoon)
	case postgres.InvalidText(err):
		return Fail(http.StatusUnprocessableEntity, "invalid_text", "a text holds a character that cannot be kept", "leave out zero characters")
	case postgres.Unavailable(err):
		log.WarnContext(ctx, "database is unreachable", "error", err)
		return FailAfter(http.StatusServiceUnavailable, "database_unavailable", "the database does not answer", "try again", RetrySoon)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return FailAfter(http.StatusServiceUnavailable, "out_of_time", "the answer took too long", "try again", RetrySoon)
	}
	log.ErrorContext(ctx, "request failed", "error", err)
	return Fail(http.StatusInternalServerError, "internal", "internal server error", "give the trace id to the operators of recflow")
}

// TemporalUnavailable reports whether an error says that Temporal does not answer.
func TemporalUnavailable(err error) bool {
	var unavailable *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &unavailable) || errors.As(err, &late) || errors.As(err, &busy)
}

// complete fills in what every problem says, and notes it for the audit.
func complete(ctx context.Context, p *apiclient.Problem) {
	fillIn(ctx, p)
	callOf(ctx).problem = p
}

// fillIn fills in what every problem says.
func fillIn(ctx context.Context, p *apiclient.Problem) {
	p.Type, p.Title, p.TraceID = "/docs#errors", http.StatusText(p.Status), callOf(ctx).traceID
}

// statusCodes name what huma itself refuses.
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
			if errors.As(err, &detail) { // without the value that was sent
				d := detail.ErrorDetail()
				m = apiclient.Mistake{Location: d.Location, Message: d.Message}
			}
			p.Errors = append(p.Errors, m)
		}
		if status == http.StatusUnprocessableEntity {
			p.Next = "see GET /docs for what this operation takes"
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

// writeProblem answers where no operation is involved.
func writeProblem(c *gin.Context, p *apiclient.Problem) {
	complete(c.Request.Context(), p)
	for name, values := range p.GetHeaders() {
		c.Writer.Header()[name] = values
	}
	c.Header("Content-Type", apiclient.ProblemType)
	c.AbortWithStatusJSON(p.Status, p)
}

// writeHumaProblem answers before an operation runs.
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
		a.log.DebugContext(ctx.Context(), "the answer was not taken", "error", err)
	}
}
