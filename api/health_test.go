package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthWithoutTemporal(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	ready := h.Do("GET", "/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, ready.Status)
	require.Equal(t, "temporal", ready.Problem(t).Errors[0].Location)
	require.Equal(t, http.StatusOK, h.Do("GET", "/healthz", nil).Status)
}
