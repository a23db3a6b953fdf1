package rest

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/internal/apiclient"
)

// TokenScheme is the name of the tokens in the OpenAPI document.
const TokenScheme = "token"

// Access is the scope that an operation requires, its action in the audit, and its
// deadline.
type Access struct {
	Scope  string // one of apiclient.Scopes
	Action string // empty for operations that change nothing

	// Timeout is how long an operation may take, with authentication and without the
	// time in which the caller sends the body. 0: DefaultTimeout.
	Timeout time.Duration

	Slots *Slots // limits how many of a kind run at the same time; may be nil
}

const (
	// DefaultTimeout is the deadline of an operation that sets no other.
	DefaultTimeout = 10 * time.Second

	// maxRunning is the number of operations that run at the same time. While a
	// dependency hangs it limits their memory: about 100 kB each, without bodies.
	maxRunning = 512
)

// Register registers an operation with its scope. Operations without a scope must
// use RegisterPublic; a test of the API lists them.
func Register[I, O any](a *API, op huma.Operation, access Access, handler func(context.Context, *I) (*O, error)) {
	if !slices.Contains(apiclient.Scopes(), access.Scope) {
		panic("operation " + op.OperationID + " has no scope")
	}
	op.Security = []map[string][]string{{TokenScheme: {access.Scope}}}
	access.Timeout = cmp.Or(access.Timeout, DefaultTimeout)
	op.Middlewares = append(op.Middlewares, a.authorize(access))
	register(a, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, callOf(ctx).left)
		defer cancel()
		for _, slots := range []*Slots{access.Slots, a.running} {
			release, err := slots.Take(ctx)
			if err != nil {
				return nil, err
			}
			defer release()
		}
		return handler(ctx, in)
	})
}

// RegisterPublic registers an operation that needs no token.
func RegisterPublic[I, O any](a *API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Security = []map[string][]string{}
	register(a, op, handler)
}

func register[I, O any](a *API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "Error, as a problem (RFC 9457).", Content: map[string]*huma.MediaType{
		apiclient.ProblemType: {Schema: a.Schema(apiclient.Problem{})}}}
	huma.Register(a.operations, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			p := classify(ctx, a.log, err)
			complete(ctx, p)
			return nil, p
		}
		return out, nil
	})
}

// Schema returns the schema of the type of v.
func (a *API) Schema(v any) *huma.Schema {
	return a.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
}

// authorize returns the middleware that checks the scope of the caller and records
// refused changes in the audit.
func (a *API) authorize(access Access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx.Context())
		c.action = access.Action
		began := time.Now()
		identify, cancel := context.WithTimeout(ctx.Context(), access.Timeout)
		p, limits, refused := a.authenticator.identify(identify, ctx.Header("Authorization"), ctx.RemoteAddr())
		cancel()
		c.principal, c.left = p, access.Timeout-time.Since(began)
		limits.write(ctx.SetHeader)
		if refused == nil && !p.May(access.Scope) {
			refused = Fail(http.StatusForbidden, "missing_scope", "the token does not have the scope "+access.Scope,
				"create a token with it: recflow tokens create --scope "+access.Scope)
		}
		if refused != nil {
			a.writeHumaProblem(ctx, refused)
		} else {
			next(ctx)
		}
		if access.Action != "" && c.problem != nil && c.problem.Status < http.StatusInternalServerError && c.problem.Status != http.StatusTooManyRequests {
			a.recordRefusal(ctx.Context(), c)
		}
	}
}
