package versions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestStore_ReaderMemory(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	memory := func() (int64, bool) {
		t.Helper()
		bytes, known, err := s.ReaderMemory(t.Context())
		require.NoError(t, err)
		return bytes, known
	}
	_, known := memory()
	require.False(t, known, "no process has reported")

	for range 2 { // a report may be repeated
		require.NoError(t, s.ReportReader(t.Context(), "api", 2<<30))
		require.NoError(t, s.ReportReader(t.Context(), "function", 300<<20))
	}
	bytes, known := memory()
	require.True(t, known)
	require.EqualValues(t, 300<<20, bytes)

	conn := postgrestest.Conn(t, s)
	_, err := conn.Exec(t.Context(), "UPDATE recflow.readers SET reported_at = clock_timestamp() - interval '25 hours' WHERE component = 'function'")
	require.NoError(t, err)
	bytes, _ = memory()
	require.EqualValues(t, 2<<30, bytes, "a report is valid for a day")

	require.NoError(t, s.ReportReader(t.Context(), "function", 0))
	bytes, known = memory()
	require.True(t, known)
	require.Zero(t, bytes, "a function that searches in Postgres")
}
