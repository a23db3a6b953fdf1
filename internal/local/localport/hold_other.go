//go:build !linux

package localport

import (
	"fmt"
	"net"
)

// hold only checks whether the port is free: outside Linux a server cannot listen
// on a port that another process is bound to.
func hold(port int) (int, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
