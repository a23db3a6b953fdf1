package localport

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// hold binds a socket to the port and never closes it. The socket does not listen.
//
// It is bound without SO_REUSEADDR, so that of two processes that try the same port
// one fails. The option is set afterwards: it lets a server that also sets it
// listen on the port. The kernel never assigns a port that a socket is bound to,
// whatever its options, neither to a listener on port 0 nor to an outgoing
// connection.
func hold(port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("create a socket: %w", err)
	}
	bound, err := bind(fd, port)
	if err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return bound, nil
}

func bind(fd, port int) (int, error) {
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("bind to port %d: %w", port, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return 0, fmt.Errorf("let servers share port %d: %w", port, err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("read the port of a socket: %w", err)
	}
	return address.(*unix.SockaddrInet4).Port, nil
}
