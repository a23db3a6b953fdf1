package postgrestest

import (
	"testing"

	"github.com/recflow/recflow/internal/recsys"
)

// Generate generates what a fixture would load, for tests that bring it in by
// another way. The manifest names no files.
func Generate(t testing.TB, f Fixture) (*recsys.Manifest, *Data) {
	t.Helper()
	return f.withDefaults().generate(t)
}
