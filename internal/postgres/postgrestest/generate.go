package postgrestest

import (
	"testing"

	"github.com/recflow/recflow/internal/recsys"
)

// Generate returns the data of a fixture, for tests that load it themselves.
// The manifest names no files.
func Generate(t testing.TB, f Fixture) (*recsys.Manifest, *Data) {
	t.Helper()
	return f.withDefaults().generate(t)
}
