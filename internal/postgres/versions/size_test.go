package versions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestSize_separates_the_graph_from_the_tables(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	exact := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "exact", Items: 300, Users: 50, Dimension: 16, Search: recsys.Search{Method: recsys.Exact}})
	graph := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "graph", Items: 300, Users: 50, Dimension: 16,
		Search: recsys.Search{Method: recsys.HNSW, M: 16, EFConstruction: 64, EFSearch: 100}})
	without, err := s.Size(t.Context(), exact.ID)
	require.NoError(t, err)
	require.Zero(t, without.Graph)
	require.Greater(t, without.Items, int64(300*16*4), "the vectors at least")
	require.Greater(t, without.Users, int64(50*16*4))
	with, err := s.Size(t.Context(), graph.ID)
	require.NoError(t, err)
	require.Greater(t, with.Graph, int64(300*16*4))
	require.Equal(t, without.Items, with.Items, "the graph is counted separately")
	gone, err := s.Size(t.Context(), 99)
	require.NoError(t, err)
	require.Equal(t, versions.Size{}, gone)
}
