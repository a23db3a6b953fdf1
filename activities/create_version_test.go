package activities

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestCreateVersion_chooses_the_search(t *testing.T) {
	t.Parallel()
	a, _, _ := setup(t, gluetest.Options{})
	const items, k = 60_000, 64
	a.SearchMemory = 4 << 30
	method := func(requested *recsys.Search, items int64) string {
		t.Helper()
		search, err := a.chooseSearch(t.Context(), requested, items, k)
		require.NoError(t, err)
		return search.Method
	}
	require.Equal(t, recsys.HNSW, method(nil, items), "no reader has reported")

	require.NoError(t, a.Store.ReportReader(t.Context(), versions.Reader{Process: uuid.NewString(), Component: "api", Memory: 1 << 30}))
	require.Equal(t, recsys.Exact, method(nil, items), "every reader can hold it")
	require.Equal(t, recsys.HNSW, method(nil, 10_000_000), "too large for a GiB")
	a.SearchMemory = 64 << 20
	require.Equal(t, recsys.HNSW, method(nil, items), "the worker's gates cannot hold two of them")
	a.SearchMemory = 4 << 30
	require.Equal(t, recsys.HNSW, method(&recsys.Search{Method: recsys.HNSW}, items), "requested")

	require.NoError(t, a.Store.ReportReader(t.Context(), versions.Reader{Process: uuid.NewString(), Component: "function", Memory: 20 << 20}))
	require.Equal(t, recsys.HNSW, method(nil, items), "the function cannot hold it")
	require.Equal(t, recsys.Exact, method(nil, 10_000), "small")
	require.Equal(t, recsys.Exact, method(&recsys.Search{Method: recsys.Exact}, items), "requested")
}
