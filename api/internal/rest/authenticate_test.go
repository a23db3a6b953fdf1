package rest

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// countedHarness is an API whose database counts the round trips.
func countedHarness(t *testing.T) (*harness, *postgrestest.RoundTrips) {
	t.Helper()
	h := &harness{}
	var trips *postgrestest.RoundTrips
	h.Harness = apitest.New(t, func(with *apitest.Harness) http.Handler {
		trips = postgrestest.CountRoundTrips(t, with.Store.URL)
		h.api = New(&huma.Info{Title: "things", Version: "1"}, with.Settings, with.Log, postgrestest.Open(t, trips.URL).LedgerStore)
		Register(h.api, huma.Operation{OperationID: "list-things", Method: http.MethodGet, Path: "/things"}, Access{Scope: apiclient.ScopeRead}, nothing)
		return h.api.Handler()
	})
	return h, trips
}

func TestUnknownTokens_are_limited_before_the_database(t *testing.T) {
	t.Parallel()
	h, trips := countedHarness(t)
	stopped := time.Now()
	h.api.authenticator.now = func() time.Time { return stopped } // no new requests are allowed
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	before := trips.Load()
	limited := 0
	for range 10 * anonymousBurst {
		guess, _, _ := apiclient.MintToken()
		if h.DoAs(guess, "GET", "/things", nil).Status == http.StatusTooManyRequests {
			limited++
		}
	}
	require.Equal(t, 9*anonymousBurst, limited)
	// The types of the statement are read once for each connection.
	require.LessOrEqual(t, trips.Load()-before, int64(2*anonymousBurst), "requests beyond the limit do not reach the database")
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status, "a token that was seen before is not limited")
	require.Equal(t, http.StatusTooManyRequests, h.DoAs("", "GET", "/things", nil).Status)
	stopped = stopped.Add(tokenCacheTTL + time.Second)
	for range 20 { // the address has ten new requests a second, and uses them up
		h.DoAs("", "GET", "/things", nil)
	}
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status, "nor when it is looked up again")
}

func TestUnknownToken_is_cached(t *testing.T) {
	t.Parallel()
	h, trips := countedHarness(t)
	now := time.Now()
	h.api.authenticator.now = func() time.Time { return now }
	text, key, digest := apiclient.MintToken()
	require.Equal(t, "bad_token", h.DoAs(text, "GET", "/things", nil).Problem(t).Code)
	before := trips.Load()
	for range 10 {
		require.Equal(t, "bad_token", h.DoAs(text, "GET", "/things", nil).Problem(t).Code)
	}
	require.Equal(t, before, trips.Load())
	h.Admit("new", key, digest, apiclient.ScopeRead)
	now = now.Add(tokenCacheTTL)
	require.Equal(t, http.StatusNoContent, h.DoAs(text, "GET", "/things", nil).Status, "it is looked up again after some seconds")
}

func TestKnownToken_is_looked_up_once_for_concurrent_requests(t *testing.T) {
	t.Parallel()
	h, trips := countedHarness(t)
	now := time.Now()
	h.api.authenticator.now = func() time.Time { return now }
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	now = now.Add(tokenCacheTTL)
	conn := postgrestest.Conn(t, h.Store)
	lock, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = lock.Exec(t.Context(), "LOCK TABLE recflow.tokens")
	require.NoError(t, err)
	before := trips.Load()
	var group sync.WaitGroup
	statuses := make([]int, 20)
	for n := range statuses {
		group.Go(func() { statuses[n] = h.Do("GET", "/things", nil).Status })
	}
	harnesstest.Eventually(t, "the look-up to wait for the lock", func() bool { return trips.Load() > before })
	require.NoError(t, lock.Rollback(t.Context()))
	group.Wait()
	for _, s := range statuses {
		require.Equal(t, http.StatusNoContent, s)
	}
	require.LessOrEqual(t, trips.Load()-before, int64(2))
}

// An unavailable database is reported as such, however often: it is no fault of the
// caller.
func TestToken_that_cannot_be_looked_up_is_not_refused(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	now := time.Now()
	h.api.authenticator.now = func() time.Time { return now }
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	_, err := h.Store.Exec(t.Context(), "ALTER TABLE recflow.tokens RENAME COLUMN digest TO hidden")
	require.NoError(t, err)
	now = now.Add(tokenCacheTTL)
	for range 2 * anonymousBurst {
		require.GreaterOrEqual(t, h.Do("GET", "/things", nil).Status, 500)
	}
	_, err = h.Store.Exec(t.Context(), "ALTER TABLE recflow.tokens RENAME COLUMN hidden TO digest")
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
}

// Requests wait for the look-up of a token that was seen before: no more than its rate
// allows.
func TestKnownToken_is_limited_before_it_is_looked_up(t *testing.T) {
	t.Parallel()
	h, trips := countedHarness(t)
	now := time.Now()
	h.api.authenticator.now = func() time.Time { return now }
	h.api.authenticator.callers = newLimiter(0.001, 2)
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	now = now.Add(tokenCacheTTL)
	before := trips.Load()
	require.Equal(t, http.StatusTooManyRequests, h.Do("GET", "/things", nil).Status)
	require.Equal(t, before, trips.Load())
}

// A caller that knows the public part of a token only causes no look-ups, and does not
// use up its rate.
func TestKnownToken_with_another_secret_is_refused_from_the_cache(t *testing.T) {
	t.Parallel()
	h, trips := countedHarness(t)
	now := time.Now()
	h.api.authenticator.now = func() time.Time { return now }
	h.api.authenticator.callers = newLimiter(0.001, 2)
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
	now = now.Add(tokenCacheTTL)
	before := trips.Load()
	for range 10 {
		require.Equal(t, "bad_token", h.DoAs(h.Token[:20]+strings.Repeat("A", len(h.Token)-20), "GET", "/things", nil).Problem(t).Code)
	}
	require.Equal(t, before, trips.Load())
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status)
}

func TestLimiter_evicts_only_the_caller_that_was_not_seen_for_the_longest_time(t *testing.T) {
	t.Parallel()
	l := newLimiter(0.001, 1)
	now := time.Now()
	allowed := func(caller string) bool {
		_, often := l.take(caller, now)
		return often == nil
	}
	require.True(t, allowed("first"))
	require.True(t, allowed("second"))
	for n := range maxLimiters - 2 {
		require.True(t, allowed(fmt.Sprint(n)))
	}
	require.False(t, allowed("first"))
	require.True(t, allowed("another"), "it takes the place of the second")
	require.False(t, allowed("first"), "its limit is kept: it was seen since")
	require.False(t, allowed("100"))
	require.True(t, allowed("second"))
}
