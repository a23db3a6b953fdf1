package pgserver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/pgserver"
)

// another is a server whose data directory is of Postgres 16 and whose programs
// report the given version.
func another(t *testing.T, version string) *pgserver.Server {
	t.Helper()
	s := &pgserver.Server{Bin: t.TempDir(), Data: t.TempDir(), Password: "for-tests-only"}
	require.NoError(t, os.WriteFile(filepath.Join(s.Data, "PG_VERSION"), []byte("16\n"), 0o600))
	harnesstest.WriteProgram(t, filepath.Join(s.Bin, "postgres"), "#!/bin/sh\necho '"+version+"'\n")
	return s
}

func TestServer_Init_refuses_the_data_of_another_major_version(t *testing.T) {
	t.Parallel()
	err := another(t, "postgres (PostgreSQL) 18.4").Init(t.Context())
	require.ErrorContains(t, err, "Postgres 16")
	require.ErrorContains(t, err, "Postgres 18")
	require.ErrorContains(t, err, "RECFLOW_POSTGRES_BIN")
}

func TestServer_Init_accepts_the_data_of_another_minor_version(t *testing.T) {
	t.Parallel()
	require.NoError(t, another(t, "postgres (PostgreSQL) 16.10 (Debian 16.10-1.pgdg120+1)").Init(t.Context()))
}
