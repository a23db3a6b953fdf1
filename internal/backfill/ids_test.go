package backfill_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
)

func TestWorkflowIDs_are_readable_and_unique(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return when
	}
	curve := backfill.Backfill{ID: "7k2mxq4c", Kind: backfill.AsOf, From: at("2024-01-01T00:00:00Z"), To: at("2025-01-01T01:00:00+01:00")}
	require.Equal(t, "backfill-as_of-20240101-20250101-7k2mxq4c", backfill.WorkflowID(curve, 1))
	require.Equal(t, "backfill-as_of-20240101-20250101-7k2mxq4c-r2", backfill.WorkflowID(curve, 2))
	refresh := backfill.Backfill{ID: "7k2mxq4c", Kind: backfill.Refresh, To: at("2025-01-09T03:31:00Z")}
	require.Equal(t, "backfill-refresh-all-20250109T0331Z-7k2mxq4c", backfill.WorkflowID(refresh, 1))

	for want, c := range map[string]struct {
		kind, to string
		attempt  int
	}{
		"evaluate-20240108-7k2mxq4c":                {backfill.AsOf, "2024-01-08T00:00:00Z", 1},
		"evaluate-20240108T1200Z-7k2mxq4c-a2":       {backfill.AsOf, "2024-01-08T12:00:00Z", 2},
		"evaluate-20240108T000001Z-7k2mxq4c":        {backfill.AsOf, "2024-01-08T00:00:01Z", 1},
		"evaluate-20240108T000001.000002Z-7k2mxq4c": {backfill.AsOf, "2024-01-08T00:00:01.000002Z", 1},
		"refresh-all-20240108T0331Z-7k2mxq4c-a3":    {backfill.Refresh, "2024-01-08T03:31:00Z", 3},
	} {
		require.Equal(t, want, backfill.WindowWorkflowID(c.kind, "7k2mxq4c", backfill.Window{To: at(c.to), Attempt: c.attempt}))
	}
	require.Equal(t, "refresh-20240101-20240108-7k2mxq4c",
		backfill.WindowWorkflowID(backfill.Refresh, "7k2mxq4c", backfill.Window{From: at("2024-01-01T00:00:00Z"), To: at("2024-01-08T00:00:00Z"), Attempt: 1}))
}
