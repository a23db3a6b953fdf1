package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTwoBuildsAreTheSameBytes builds from this checkout and from a copy of it
// somewhere else.
func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	t.Parallel()
	here := filepath.Join("..", "..")
	there := t.TempDir()
	for _, dir := range []string{"internal", "lambda"} {
		require.NoError(t, os.CopyFS(filepath.Join(there, dir), os.DirFS(filepath.Join(here, dir))))
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(here, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(there, file), data, 0o600))
	}
	first, err := build(t.Context(), here, t.TempDir(), runtime.GOARCH)
	require.NoError(t, err)
	second, err := build(t.Context(), there, t.TempDir(), runtime.GOARCH)
	require.NoError(t, err)
	require.Equal(t, first.digest, second.digest)

	z, err := zip.OpenReader(first.path)
	require.NoError(t, err)
	defer z.Close()
	require.Len(t, z.File, 1)
	require.Equal(t, "bootstrap", z.File[0].Name)
	require.Equal(t, os.FileMode(0o755), z.File[0].Mode())
}
