package rest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/harnesstest"
)

func TestOperation_ends_at_its_deadline(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	hangs := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	Register(h.api, huma.Operation{OperationID: "hang", Method: http.MethodGet, Path: "/hang"}, Access{Scope: apiclient.ScopeRead, Timeout: 50 * time.Millisecond}, hangs)
	late := h.Do("GET", "/hang", nil)
	require.Equal(t, http.StatusServiceUnavailable, late.Status)
	require.Equal(t, "out_of_time", late.Problem(t).Code)
	require.NotEmpty(t, late.Header.Get("Retry-After"))
}

func TestOperation_is_refused_while_all_slots_are_taken(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	began, end := make(chan struct{}, 2), make(chan struct{})
	waits := func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		began <- struct{}{}
		select {
		case <-end:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	slots := NewSlots(2, 10*time.Millisecond)
	Register(h.api, huma.Operation{OperationID: "wait", Method: http.MethodGet, Path: "/wait"}, Access{Scope: apiclient.ScopeRead, Timeout: time.Minute, Slots: slots}, waits)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() { require.Equal(t, http.StatusNoContent, h.Do("GET", "/wait", nil).Status) })
		<-began
	}
	busy := h.Do("GET", "/wait", nil)
	require.Equal(t, http.StatusServiceUnavailable, busy.Status)
	require.Equal(t, "busy", busy.Problem(t).Code)
	require.NotEmpty(t, busy.Header.Get("Retry-After"))
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/things", nil).Status, "other operations have slots of their own")
	close(end)
	group.Wait()
	harnesstest.Eventually(t, "the slots to be free", func() bool { return len(slots.taken) == 0 })
	require.Equal(t, http.StatusNoContent, h.Do("GET", "/wait", nil).Status)
}
