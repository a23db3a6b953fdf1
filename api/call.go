package main

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
	principal principal
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

// principal is who calls.
type principal struct {
	name   string
	scopes []string
	all    bool // no authentication is asked for: may do everything
}

// principalOf is who calls.
func principalOf(ctx context.Context) principal { return callOf(ctx).principal }

// actor names the principal in flips, backfills and the audit.
func (p principal) actor() string {
	switch {
	case p.all:
		return "local"
	case p.name == "":
		return "anonymous"
	}
	return "token:" + p.name
}

func (p principal) may(scope string) bool { return p.all || slices.Contains(p.scopes, scope) }

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
