package main

import (
	"flag"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
)

// The flag -soak is defined in postgrestest.
var record = flag.Bool("record", false, "write the histories of the tests to workflows/testdata/histories")

// workerEnv makes the test binary run as the worker, so that the fault tests
// can kill it as a child process.
const workerEnv = "RECFLOW_TEST_IS_WORKER"

func TestMain(m *testing.M) {
	if os.Getenv(workerEnv) != "" {
		go func() {
			// The pipe closes when the test binary ends, for any reason.
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(3)
		}()
		main()
		os.Exit(0)
	}
	flag.Parse()
	// These tests mostly wait for other processes.
	if p := flag.Lookup("test.parallel"); p.Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = p.Value.Set("6")
	}
	os.Exit(m.Run())
}
