package main

import (
	"flag"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// The flag -soak comes with postgrestest.
var record = flag.Bool("record", false, "write the histories of the tests to workflows/testdata/histories")

// workerEnv, when set, turns the test binary into the worker: the fault tests
// run it as a child, so that they can kill it.
const workerEnv = "RECFLOW_TEST_IS_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		go func() {
			// The pipe ends with the test binary, however that ends.
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		main()
		os.Exit(0)
	}
	flag.Parse()
	// These tests wait for other processes most of the time.
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("6")
	}
	os.Exit(m.Run())
}
