// Package localport reserves TCP ports on the loopback address for programs that
// must be told a port before they start: Postgres, the Temporal CLI, the emulator
// of S3. A server of our own listens on port 0 and reports its address instead.
package localport

import (
	"fmt"
	"math/rand/v2"
)

// Ports below the range that Linux (32768 up) and macOS (49152 up) assign to
// outgoing connections. A stack keeps its ports over restarts, when no process
// holds a reservation for it.
const (
	lowest  = 20_000
	highest = 32_000
)

// attempts bounds the search: a range as full as that is a leak of sockets.
const attempts = 200

// Reserve returns a port that no other process is given, by the kernel or by its
// own call of Reserve, until this process ends. Programs that set SO_REUSEADDR,
// as servers do, can listen on it any number of times.
//
// The guarantee holds on Linux. Elsewhere the port is free when Reserve returns,
// and another program that listens on that very number can be faster.
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
