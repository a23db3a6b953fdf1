package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
)

func TestReadLambda(t *testing.T) {
	for name, value := range map[string]string{
		"RECFLOW_DATABASE_URL": "postgres://x@127.0.0.1/recflow", "RECFLOW_DATABASE_MAX_CONNS": "2", "RECFLOW_BUCKET": "b",
		"RECFLOW_FIREHOSE_RECOMMENDATIONS": "r", "RECFLOW_FIREHOSE_EVENTS": "e", "RECFLOW_FIREHOSE_QUARANTINE": "q",
	} {
		t.Setenv(name, value)
	}
	c, err := config.ReadLambda()
	require.NoError(t, err)
	require.Equal(t, 20, c.ListLength)
	require.InDelta(t, 0.1, c.EvaluateShare, 0)
	require.Positive(t, c.Search.Memory, "60 % of what there is")

	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
	c, err = config.ReadLambda()
	require.NoError(t, err)
	require.EqualValues(t, 307, c.Search.Memory)

	t.Setenv("RECFLOW_FIREHOSE_EVENTS", "")
	t.Setenv("RECFLOW_LIST_LENGTH", "0")
	t.Setenv("RECFLOW_EVALUATE_SHARE", "NaN")
	t.Setenv("RECFLOW_SEARCH_MEMORY", "0")
	t.Setenv("RECFLOW_SEARCH", "graph")
	_, err = config.ReadLambda()
	for _, name := range []string{"RECFLOW_FIREHOSE_EVENTS", "RECFLOW_LIST_LENGTH", "RECFLOW_EVALUATE_SHARE", "RECFLOW_SEARCH_MEMORY", `RECFLOW_SEARCH is "graph"`} {
		require.ErrorContains(t, err, name)
	}
}
