package postgrestest

import (
	"flag"
	"testing"
	"time"
)

// Soak runs the long forms of tests: go test ./internal/... -soak.
var Soak = flag.Bool("soak", false, "run the long forms of the store's tests")

var seed = flag.Uint64("seed", 0, "seed of random faults; 0: another one each time")

// Seed returns the seed of a test with random faults and logs it, so that the faults
// can be repeated with the flag -seed.
func Seed(t testing.TB) uint64 {
	t.Helper()
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d; repeat it with -seed %d", n, n)
	return n
}
