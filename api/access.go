package main

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/internal/apiclient"
)

// tokenScheme is the name of the tokens in the OpenAPI document.
const tokenScheme = "token"

// access says who may call an operation, and what it is called in the audit.
type access struct {
	scope  string // one of apiclient.Scopes
	action string // empty for operations that change nothing
}

// route registers an operation. There is no way to register one without a scope
// but open, whose users are listed in access_test.go.
func route[I, O any](s *server, op huma.Operation, a access, handler func(context.Context, *I) (*O, error)) {
	if !slices.Contains(apiclient.Scopes(), a.scope) {
		panic("operation " + op.OperationID + " has no scope")
	}
	op.Security = []map[string][]string{{tokenScheme: {a.scope}}}
	op.Middlewares = append(op.Middlewares, s.admit(a))
	register(s, op, handler)
}

// open registers an operation that everybody may call.
func open[I, O any](s *server, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	op.Security = []map[string][]string{}
	register(s, op, handler)
}

func register[I, O any](s *server, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{Description: "It was not done.", Content: map[string]*huma.MediaType{
		apiclient.ProblemType: {Schema: s.schemaOf(apiclient.Problem{})}}}
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, s.log, err)
		}
		return out, nil
	})
}

// schemaOf is the schema of a value of this type.
func (s *server) schemaOf(v any) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeOf(v), true, "")
}

// admit lets those through who may call an operation, and sees to it that a
// refused change is in the audit.
func (s *server) admit(a access) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx.Context())
		c.action = a.action
		p, limits, refused := s.guard.identify(ctx.Context(), ctx.Header("Authorization"), ctx.RemoteAddr())
		c.principal = p
		limits.write(ctx.SetHeader)
		if refused == nil && !p.may(a.scope) {
			refused = fail(http.StatusForbidden, "missing_scope", "the token does not have the scope "+a.scope,
				"ask for a token with it: recflow tokens create --scope "+a.scope)
		}
		if refused != nil {
			s.writeHumaProblem(ctx, refused)
		} else {
			next(ctx)
		}
		if a.action != "" && c.problem != nil && c.problem.Status < http.StatusInternalServerError && c.problem.Status != http.StatusTooManyRequests {
			s.recordRefusal(ctx.Context(), c)
		}
	}
}
