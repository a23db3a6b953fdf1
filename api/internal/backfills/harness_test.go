package backfills

import (
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/api/internal/rest"
)

// harness is an API with the operations of this package.
type harness struct {
	*apitest.Harness
	service *Service
}

func newHarness(t *testing.T, options ...apitest.Option) *harness {
	t.Helper()
	h := &harness{}
	h.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		api := rest.New(&huma.Info{Title: "backfills", Version: "1"}, with.Settings, with.Log, with.Store.LedgerStore)
		h.service = &Service{API: api, Log: with.Log, Ledger: with.Store.LedgerStore, Versions: with.Store.VersionStore, Temporal: with.Temporal, Settings: with.Settings.Temporal, Stopping: make(chan struct{})}
		h.service.Register()
		return api.Handler()
	}, options...)
	return h
}
