package main

import (
	"net/http"
	"testing"

	"github.com/recflow/recflow/api/internal/apitest"
)

// harness is the whole API.
type harness struct {
	*apitest.Harness
	*server // for access to internal state
}

func newHarness(t *testing.T, options ...apitest.Option) *harness {
	t.Helper()
	h := &harness{}
	h.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		h.server = newServer(with.Settings, with.Log, with.Store.DB, with.Temporal)
		return h.api.Handler()
	}, options...)
	return h
}
