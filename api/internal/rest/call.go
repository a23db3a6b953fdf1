package rest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
)

// call is the state of a request.
type call struct {
	traceID   string
	principal Principal
	action    string // in the audit; empty when nothing changes
	target    string // of the action, once known
	reason    string // of the caller
	problem   *apiclient.Problem
	failure   error         // inside huma, for the log
	left      time.Duration // for the operation, after authentication
}

type callKey struct{}

// withCall returns a context that carries c.
func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// callOf returns the state of the request, or an empty one outside a request.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

// SetTarget sets the target of a change for the audit, in case the change is refused
// before Change is called.
func SetTarget(ctx context.Context, target string) { callOf(ctx).target = target }

// SetReason sets the caller's reason for a change, for the audit.
func SetReason(ctx context.Context, reason string) { callOf(ctx).reason = reason }

// Principal is the caller of a request.
type Principal struct {
	name   string
	key    string // the public part of the token
	scopes []string
	all    bool // authentication is disabled: all scopes
}

// PrincipalOf returns the caller of the request.
func PrincipalOf(ctx context.Context) Principal { return callOf(ctx).principal }

// Actor returns the name of the principal for the audit and for created resources.
func (p Principal) Actor() string {
	switch {
	case p.all:
		return "local"
	case p.name == "":
		return "anonymous"
	}
	return "token:" + p.name
}

// ID identifies the principal. Unlike a name, no two tokens have the same.
func (p Principal) ID() string {
	if p.key == "" {
		return p.Actor()
	}
	return "token:" + p.key
}

// May reports whether the principal has a scope.
func (p Principal) May(scope string) bool { return p.all || slices.Contains(p.scopes, scope) }

// traceparent matches a W3C trace context and captures the trace id.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$`)

// traceID returns the caller's trace id, or a new one.
func traceID(header string) string {
	if m := traceparent.FindStringSubmatch(header); m != nil {
		return m[1]
	}
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
