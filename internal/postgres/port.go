package postgres

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports that systems do not give to clients by themselves: between choosing one
// and listening on it, no outgoing connection can take it.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// FreePort is a TCP port on the loopback address that nobody listens on now.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
