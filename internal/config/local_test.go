package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
)

// postgresPrograms creates a directory with files of these names.
func postgresPrograms(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o755))
	}
	return dir
}

func TestReadLocal_PostgresBin(t *testing.T) {
	t.Run("is empty unless it is set", func(t *testing.T) {
		t.Setenv("RECFLOW_POSTGRES_BIN", "")
		local, err := config.ReadLocal()
		require.NoError(t, err)
		require.Empty(t, local.PostgresBin)
	})
	t.Run("is an absolute path", func(t *testing.T) {
		dir := postgresPrograms(t, "initdb", "pg_ctl", "postgres")
		t.Chdir(filepath.Dir(dir))
		t.Setenv("RECFLOW_POSTGRES_BIN", filepath.Base(dir))
		local, err := config.ReadLocal()
		require.NoError(t, err)
		require.True(t, filepath.IsAbs(local.PostgresBin), local.PostgresBin)
	})
	t.Run("must contain the programs that run a server", func(t *testing.T) {
		t.Setenv("RECFLOW_POSTGRES_BIN", postgresPrograms(t, "psql", "postgres"))
		_, err := config.ReadLocal()
		require.ErrorContains(t, err, "RECFLOW_POSTGRES_BIN")
		require.ErrorContains(t, err, "initdb")
	})
}
