package versions_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
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

	api := versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 2 << 30}
	function := versions.Reader{Process: uuid.NewString(), Component: "function", Memory: 300 << 20}
	for range 2 { // a report may be repeated
		require.NoError(t, s.ReportReader(t.Context(), api))
		require.NoError(t, s.ReportReader(t.Context(), function))
	}
	bytes, known := memory()
	require.True(t, known)
	require.EqualValues(t, 300<<20, bytes)

	conn := postgrestest.Conn(t, s)
	_, err := conn.Exec(t.Context(), "UPDATE recflow.readers SET reported_at = clock_timestamp() - interval '26 hours' WHERE component = 'function'")
	require.NoError(t, err)
	bytes, _ = memory()
	require.EqualValues(t, 2<<30, bytes, "a report is valid for a day")

	require.NoError(t, s.DropReaders(t.Context()))
	bytes, _ = memory()
	require.EqualValues(t, 2<<30, bytes)

	function.Memory = 0
	require.NoError(t, s.ReportReader(t.Context(), function))
	bytes, known = memory()
	require.True(t, known)
	require.Zero(t, bytes, "a function that searches in Postgres")
}

func TestStore_PrepareReaders(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	first := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "first"})
	next := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "next"})
	loading := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "loading", Loading: true})
	prepare := func(version int64, atMost time.Duration) int {
		t.Helper()
		late, err := s.PrepareReaders(t.Context(), version, atMost)
		require.NoError(t, err)
		return late
	}
	candidate := func() int64 {
		t.Helper()
		at, err := s.LivePointer(t.Context())
		require.NoError(t, err)
		return at.Candidate
	}
	require.Zero(t, prepare(first.ID, time.Hour), "no process has reported")
	require.Equal(t, first.ID, candidate())
	postgrestest.Promote(t, s, first.ID)
	require.Zero(t, candidate(), "a promotion ends the announcement")
	require.Zero(t, prepare(first.ID, time.Hour), "it is live")
	require.Zero(t, candidate())
	require.Zero(t, prepare(loading.ID, time.Hour), "it cannot be promoted")
	require.Zero(t, candidate())

	inMemory := versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1}
	inPostgres := versions.Reader{Process: uuid.NewString(), Component: "function"}
	gone := versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1}
	for _, r := range []versions.Reader{inMemory, inPostgres, gone} {
		require.NoError(t, s.ReportReader(t.Context(), r))
	}
	_, err := postgrestest.Conn(t, s).Exec(t.Context(), "UPDATE recflow.readers SET reported_at = reported_at - interval '61 seconds' WHERE process = $1", gone.Process)
	require.NoError(t, err)
	require.Equal(t, 1, prepare(next.ID, time.Millisecond), "it does not wait longer than it may")

	waited := make(chan int)
	go func() {
		late, _ := s.PrepareReaders(t.Context(), next.ID, time.Hour)
		waited <- late
	}()
	inMemory.Prepared = next.ID
	require.NoError(t, s.ReportReader(t.Context(), inMemory))
	require.Zero(t, <-waited, "all have reported")
}
