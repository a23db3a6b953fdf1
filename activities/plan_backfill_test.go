package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/rawdata"
)

func TestPlanWindows_estimates_by_earlier_versions(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	a.StoredMargin = time.Minute
	require.NoError(t, a.S3.Put(t.Context(), "raw/interactions/dt=2025-01-02/part-0.parquet", strings.NewReader("PAR1 broken")))
	m := postgrestest.Manifest(t, postgrestest.Fixture{})
	m.Coverage.StoredTo = time.Now().Add(-11 * time.Minute)
	v, err := a.Store.CreateVersion(t.Context(), versions.NewVersion{Manifest: m})
	require.NoError(t, err)
	require.NoError(t, a.Store.MarkReady(t.Context(), v.ID, nil))

	value, err := env.ExecuteActivity(a.PlanWindows, PlanWindowsInput{Ranges: []rawdata.Range{{To: time.Date(2025, 1, 3, 0, 0, 0, 0, time.UTC)}}})
	require.NoError(t, err)
	var out PlanWindowsResult
	require.NoError(t, value.Get(&out))
	require.InDelta(t, 10, out.Windows[0].Minutes, 1, "without the margin")
	require.Equal(t, []any{1, 1}, []any{out.Windows[0].Files, out.Windows[0].Unreadable})
	require.Equal(t, "raw/interactions/dt=2025-01-02/part-0.parquet", out.Unreadable[0].Key)
}
