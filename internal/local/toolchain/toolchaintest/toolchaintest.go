// Package toolchaintest provides the local tools to tests: Postgres, Temporal, the
// S3 emulator, Python and Spark. A test that needs one of them belongs to the full
// tier, and is skipped by `go test -short`.
package toolchaintest

import (
	"testing"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// Tools returns the installed tools. It skips the test with -short, and fails it if
// the tools are not installed.
func Tools(t testing.TB) toolchain.Paths {
	t.Helper()
	SkipShort(t)
	tools, err := Installed()
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// Installed returns the installed tools, for fixtures that all tests of a binary
// share. A test calls Tools or SkipShort before it uses such a fixture.
func Installed() (toolchain.Paths, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return toolchain.Paths{}, err
	}
	return toolchain.Installed(local.Cache)
}

// PostgresBin returns the directory of the Postgres programs for tests:
// RECFLOW_POSTGRES_BIN, or that of the installed tools.
func PostgresBin() (string, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return "", err
	}
	return toolchain.PostgresBin(local.Cache, local.PostgresBin)
}

// SkipShort skips a test that needs the local tools, or takes minutes, with -short.
func SkipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("not a unit test: run it without -short, after `make setup`")
	}
}
