// Package localport reserves TCP ports on the loopback address for programs that
// need their port before they start: Postgres, the Temporal CLI, the S3 emulator.
// Our own servers listen on port 0 and report their address instead.
package localport

import (
	"fmt"
	"math/rand/v2"
)

// Ports below the ranges that Linux (32768 up) and macOS (49152 up) assign to
// outgoing connections. A stack keeps its ports across restarts, when no process
// reserves them.
const (
	lowest  = 20_000
	highest = 32_000
)

// attempts limits the search: a range that full is a leak of sockets.
const attempts = 200

// Reserve returns a port that no other process gets, from the kernel or from its
// own call of Reserve, until this process exits. Programs that set SO_REUSEADDR, as
// servers do, can listen on it any number of times.
//
// The guarantee holds on Linux. Elsewhere the port is free when Reserve returns,
// and another program may listen on it before the caller's does.
func Reserve() (int, error) {
	var err error
	for range attempts {
		var port int
		if port, err = hold(lowest + rand.IntN(highest-lowest)); err == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("reserve a port between %d and %d: %w", lowest, highest, err)
}
