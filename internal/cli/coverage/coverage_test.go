package coverage_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }

func TestCoverage(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	postgrestest.Stream(t, store, recsys.Event{EventID: "e", UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: time.Now().Add(-time.Minute)})
	r := clitest.Run(t.Context(), "", "coverage", "show")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, "none: all streamed events are compared")
	require.Contains(t, r.Out, "1 in Postgres since the baseline")

	r = clitest.Run(t.Context(), "", "coverage", "accept")
	require.Equal(t, app.ExitUsage, r.Code, "a reason is required")
	r = clitest.Run(t.Context(), "", "coverage", "accept", "--reason", "x", "--stored-before", "yesterday")
	require.Equal(t, app.ExitUsage, r.Code)
	r = clitest.Run(t.Context(), "", "coverage", "accept", "--reason", "restored from a snapshot")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, "0 in Postgres since the baseline")
	r = clitest.Run(t.Context(), "", "coverage", "show", "-o", "json")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, `"accepted_before"`)

	r = clitest.Run(t.Context(), "", "coverage", "redeliver", "--reason", "x")
	require.Equal(t, 1, r.Code, r.Err)
	require.Contains(t, r.Err, "Temporal is unreachable")
}
