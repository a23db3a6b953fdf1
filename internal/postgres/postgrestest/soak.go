package postgrestest

import "flag"

// Soak runs the long forms of tests: go test ./internal/... -soak.
var Soak = flag.Bool("soak", false, "run the long forms of the store's tests")
