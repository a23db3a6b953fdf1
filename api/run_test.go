package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/config"
)

// serving is serveOn in the background, on two listeners of its own.
type serving struct {
	requests, metrics net.Listener
	stop              context.CancelFunc
	over              chan error
}

func (h *harness) serving(t *testing.T) serving {
	t.Helper()
	var s serving
	for _, l := range []*net.Listener{&s.requests, &s.metrics} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		*l = listener
	}
	ctx, stop := context.WithCancel(t.Context())
	s.stop, s.over = stop, make(chan error, 1)
	go func() { s.over <- serveOn(ctx, h.server, s.requests, s.metrics) }()
	t.Cleanup(stop)
	return s
}

// end returns the result of serveOn.
func (s serving) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.over:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on without its listener")
		return nil
	}
}

func drainSoon(c *config.API) { c.DrainTimeout = 10 * time.Second }

func TestServe_ends_with_its_context(t *testing.T) {
	t.Parallel()
	s := newHarness(t, apitest.WithSettings(drainSoon)).serving(t)
	resp, err := http.Get("http://" + s.requests.Addr().String() + "/healthz")
	require.NoError(t, err)
	resp.Body.Close()
	s.stop()
	require.NoError(t, s.end(t))
}

func TestServe_ends_with_the_error_of_a_listener(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]func(serving) net.Listener{
		"serve requests": func(s serving) net.Listener { return s.requests },
		"serve metrics":  func(s serving) net.Listener { return s.metrics },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, apitest.WithSettings(drainSoon))
			s := h.serving(t)
			conn, err := net.Dial("tcp", s.requests.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			const body = `{"name":"late","scopes":["read"]}`
			fmt.Fprintf(conn, "POST /tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", h.Token, len(body))
			answers := bufio.NewReader(conn)
			first, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusContinue, first.StatusCode, "the handler runs")

			require.NoError(t, broken(s).Close())
			select {
			case <-h.stopping:
			case err := <-s.over:
				t.Fatal("it ended before the request under way:", err)
			case <-time.After(20 * time.Second):
				t.Fatal("it goes on without its listener")
			}
			fmt.Fprint(conn, body)
			answer, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			answer.Body.Close()
			require.Equal(t, http.StatusCreated, answer.StatusCode, "a request under way is answered")
			conn.Close()

			err = s.end(t)
			require.ErrorContains(t, err, name)
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}
