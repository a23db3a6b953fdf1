package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
)

func TestHealthWithoutTemporal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ready := h.Do("GET", "/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, ready.Status)
	require.Equal(t, "temporal", ready.Problem(t).Errors[0].Location)
	require.Equal(t, http.StatusOK, h.Do("GET", "/healthz", nil).Status)
}

func TestReadiness_is_checked_once_a_second_for_all_callers(t *testing.T) {
	t.Parallel()
	h := &harness{}
	var trips *postgrestest.RoundTrips
	h.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		trips = postgrestest.CountRoundTrips(t, with.Store.URL)
		h.server = newServer(with.Settings, with.Log, postgrestest.Open(t, trips.URL).DB, with.Temporal)
		return h.api.Handler()
	}, apitest.WithTemporal)
	began, before := time.Now(), trips.Load()
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			for range 5 {
				h.DoAs("", "GET", "/readyz", nil)
			}
		})
	}
	group.Wait()
	checks := int64(time.Since(began)/readyFor) + 1
	require.LessOrEqual(t, trips.Load()-before, 2*checks, "each check takes a round trip, and on a new connection another one")
	harnesstest.Eventually(t, "the API to be ready", func() bool { return h.DoAs("", "GET", "/readyz", nil).Status == http.StatusOK })
}

// withSearch runs an API with a search mode and a memory limit, and follows the live
// version as the process does.
func withSearch(t *testing.T, mode string, mib int64) *harness {
	t.Helper()
	h := newHarness(t, apitest.WithTemporal, apitest.WithSettings(func(c *config.API) { c.Search = config.Search{Mode: mode, Memory: mib} }))
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	t.Cleanup(func() { stop(); group.Wait() })
	group.Go(func() { h.follower().Run(ctx, time.Millisecond) })
	return h
}

func TestSearchModes(t *testing.T) {
	t.Parallel()
	list := apiclient.ListRequest{UserID: "u00001", K: 5}
	ready := func(t *testing.T, h *harness, state string) {
		t.Helper()
		require.Eventually(t, func() bool {
			r := h.Do("GET", "/readyz", nil)
			var body apiclient.Ready
			return r.Status == http.StatusOK && json.Unmarshal(r.Body, &body) == nil && body.Index.State == state
		}, 30*time.Second, 10*time.Millisecond)
	}
	t.Run("it searches in Postgres only with pgvector", func(t *testing.T) {
		t.Parallel()
		h := withSearch(t, config.SearchInPostgres, 64)
		h.withLive(t)
		ready(t, h, recommend.IndexInPostgres)
		got, err := h.Client(h.Token).Recommend(t.Context(), list)
		require.NoError(t, err)
		require.Len(t, got.Items, 5)
		require.Nil(t, h.reader.Memory)
	})
	t.Run("it searches in Postgres with auto if the items do not fit", func(t *testing.T) {
		t.Parallel()
		h := withSearch(t, config.SearchAuto, 0)
		h.withLive(t)
		ready(t, h, recommend.IndexInPostgres)
		got, err := h.Client(h.Token).Recommend(t.Context(), list)
		require.NoError(t, err)
		require.Len(t, got.Items, 5)
	})
	t.Run("it is ready with memory when the items are loaded", func(t *testing.T) {
		t.Parallel()
		h := withSearch(t, config.SearchInMemory, 64)
		ready(t, h, recommend.IndexInPostgres) // no version is live
		h.withLive(t)
		ready(t, h, recommend.IndexInMemory)
		got, err := h.Client(h.Token).Recommend(t.Context(), list)
		require.NoError(t, err)
		require.Len(t, got.Items, 5)
		// Another version is not in memory, and Postgres must not be searched.
		other := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "other"})
		problem := h.Do("GET", fmt.Sprintf("/recommendations/u00001?version=%d", other.ID), nil).Problem(t)
		require.Equal(t, "not_in_memory", problem.Code)
	})
	t.Run("it fails with memory if the items do not fit", func(t *testing.T) {
		t.Parallel()
		h := withSearch(t, config.SearchInMemory, 0)
		h.withLive(t)
		require.Eventually(t, func() bool {
			r := h.Do("GET", "/readyz", nil)
			return r.Status == http.StatusServiceUnavailable && r.Problem(t).Errors[0].Location == "index"
		}, 30*time.Second, 10*time.Millisecond)
		r := h.Do("GET", "/recommendations/u00001?k=5", nil)
		require.Equal(t, []any{http.StatusServiceUnavailable, "not_in_memory"}, []any{r.Status, r.Problem(t).Code})
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		// Popular lists need no search.
		got, err := h.Client(h.Token).Recommend(t.Context(), apiclient.ListRequest{UserID: "unknown-user", K: 5})
		require.NoError(t, err)
		require.Len(t, got.Items, 5)
	})
}
