package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

func TestStartWindow_skips_only_windows_without_events(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	at := func(day int) time.Time { return time.Date(2025, 1, day, 0, 0, 0, 0, time.UTC) }
	cut, err := backfill.Cut(backfill.AsOf, at(1), at(4), 24*time.Hour)
	require.NoError(t, err)
	_, _, err = a.Store.CreateBackfill(t.Context(), ledger.NewBackfill{
		Backfill: backfill.Backfill{ID: "b", Kind: backfill.AsOf, From: at(1), To: at(4), MaxParallel: 1, Rerun: backfill.RerunMissing,
			Request: []byte("{}"), Actor: "test", WorkflowID: "w", Windows: cut},
		Parameters: []byte("p"), RequestDigest: []byte("d"),
	})
	require.NoError(t, err)
	require.NoError(t, a.S3.Put(t.Context(), "raw/interactions/dt=2025-01-02/part-0.parquet", strings.NewReader("damaged")))
	start := func(index int) string {
		t.Helper()
		window := cut[index]
		window.Attempt = 1
		value, err := env.ExecuteActivity(a.StartWindow, BackfillWindow{ID: "b", Window: window})
		require.NoError(t, err)
		var out StartWindowResult
		require.NoError(t, value.Get(&out))
		return out.State
	}
	require.Equal(t, backfill.Skipped, start(0))
	require.Equal(t, backfill.Running, start(1), "a damaged file may hold events")

	require.NoError(t, a.S3.Put(t.Context(), "raw/interactions/dt=2025-01-01/part-0.parquet", strings.NewReader("late")))
	require.Equal(t, backfill.Skipped, start(0), "a retry of the step returns the result of the first attempt")

	a.S3 = awsclient.NewS3(awstest.Config(t), "no-such-bucket")
	require.Equal(t, backfill.Running, start(2), "the training reports what no retry can fix")
}
