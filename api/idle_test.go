package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	idleAddress = "RECFLOW_TEST_IDLE_ADDRESS"

	idleConns   = 10_000
	memoryEach  = 64 << 10        // bytes of a connection
	answerLimit = 5 * time.Second // on a slow machine; usually milliseconds
)

// TestAPI_answers_alongside_idle_connections opens half of the connections without a
// request, and keeps the others open after one. A child process opens them: a
// process may not open twice as many files.
func TestAPI_answers_alongside_idle_connections(t *testing.T) {
	if address := os.Getenv(idleAddress); address != "" {
		holdConnections(t, address)
		return
	}
	h := newHarness(t)
	h.withLive(t)
	s := h.serving(t)
	address := s.requests.Addr().String()
	list := func() {
		t.Helper()
		for path, token := range map[string]string{"/healthz": "", "/recommendations/u00001": h.Token} {
			began := time.Now()
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode, path)
			require.Less(t, time.Since(began), answerLimit, path)
		}
	}
	list()
	before := memoryInUse()

	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), idleAddress+"="+address)
	stop, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	t.Cleanup(func() { stop.Close(); _ = child.Wait() })
	opened, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	n, err := strconv.Atoi(opened[:len(opened)-1])
	require.NoError(t, err, opened)
	require.Greater(t, n, idleConns*9/10)
	each := (memoryInUse() - before) / int64(n)
	t.Logf("%d idle connections, %d KiB each", n, each>>10)
	require.Less(t, each, int64(memoryEach))
	list()
}

// holdConnections opens connections, prints their number, and keeps them open until
// standard input ends.
func holdConnections(t *testing.T, address string) {
	var conns []net.Conn
	for n := range idleConns {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		conns = append(conns, conn)
		if n%2 == 0 {
			continue
		}
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		resp.Body.Close()
	}
	fmt.Println(len(conns))
	_, err := io.Copy(io.Discard, os.Stdin)
	require.NoError(t, err)
	runtime.KeepAlive(conns)
}

// memoryInUse returns the bytes of the heap and of the stacks.
func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
