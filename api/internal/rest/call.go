package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"slices"

	"github.com/recflow/recflow/internal/apiclient"
)

// call is what is known of the request under way.
type call struct {
	traceID   string
	principal Principal
	action    string // in the audit; empty when nothing changes
	target    string // what the action is done to, once that is known
	problem   *apiclient.Problem
	failure   error // inside huma, for the log
}

type callKey struct{}

// withCall is a context that carries c.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf is the request under way. There is always one.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// SetTarget names what a change is made to, for a refusal that comes before Change.
func SetTarget(ctx context.Context, target string) { callOf(ctx).target = target }

// Principal is who calls.
type Principal struct {
	name   string
	scopes []string
	all    bool // no authentication is asked for: may do everything
}

// PrincipalOf is who calls.
func PrincipalOf(ctx context.Context) Principal { return callOf(ctx).principal }

// Actor names the principal in what it changes and in the audit.
func (p Principal) Actor() string {
	switch {
	case p.all:
		return "local"
	case p.name == "":
		return "anonymous"
	}
	return "token:" + p.name
}

// May reports whether the principal has a scope.
func (p Principal) May(scope string) bool { return p.all || slices.Contains(p.scopes, scope) }

// traceparent is a W3C trace context, of which the trace id is kept.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceID continues the caller's trace, or begins one.
func traceID(header string) string {
	if m := traceparent.FindStringSubmatch(header); m != nil {
		return m[1]
	}
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
