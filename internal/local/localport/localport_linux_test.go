package localport

import (
	"fmt"
	"net"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReserve_gives_a_port_once(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for range 500 {
		port, err := Reserve()
		require.NoError(t, err)
		require.False(t, seen[port], "port %d was reserved twice", port)
		seen[port] = true
		// Like another process that calls Reserve and tries the same number.
		_, err = hold(port)
		require.ErrorIs(t, err, unix.EADDRINUSE)
	}
}

func TestReserve_lets_a_server_listen_and_restart(t *testing.T) {
	t.Parallel()
	port, err := Reserve()
	require.NoError(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	_, err = net.Dial("tcp", address)
	require.ErrorIs(t, err, unix.ECONNREFUSED, "nothing listens yet")
	for range 3 {
		l, err := net.Listen("tcp", address)
		require.NoError(t, err)
		client, err := net.Dial("tcp", address)
		require.NoError(t, err)
		server, err := l.Accept()
		require.NoError(t, err)
		_, err = net.Listen("tcp", address)
		require.ErrorIs(t, err, unix.EADDRINUSE, "one server at a time")
		require.NoError(t, server.Close()) // leaves a connection in TIME_WAIT
		require.NoError(t, client.Close())
		require.NoError(t, l.Close())
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3, whose servers the emulator of S3 uses")
	}
	out, err := exec.Command(python, "-c", fmt.Sprintf(`
import asyncio
async def main():
    (await asyncio.start_server(print, "127.0.0.1", %d)).close()
asyncio.run(main())`, port)).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// The kernel assigns none of the reserved ports, although they are in its range.
func TestReserve_keeps_the_kernel_from_assigning_a_port(t *testing.T) {
	t.Parallel()
	held := map[int]bool{}
	for range 200 {
		port, err := hold(0)
		require.NoError(t, err)
		held[port] = true
	}
	require.Len(t, held, 200)
	for range 1000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		require.False(t, held[l.Addr().(*net.TCPAddr).Port], "given to a listener: %s", l.Addr())
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	for range 1000 {
		client, err := net.Dial("tcp", server.Addr().String())
		require.NoError(t, err)
		defer client.Close()
		accepted, err := server.Accept()
		require.NoError(t, err)
		defer accepted.Close()
		require.False(t, held[client.LocalAddr().(*net.TCPAddr).Port], "given to a connection: %s", client.LocalAddr())
	}
}
