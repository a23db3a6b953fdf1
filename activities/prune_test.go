package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestPrune_drops_what_the_stream_cannot_deliver_again(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	to := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	soon := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	postgrestest.Build(t, a.Store, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: to, StoredTo: soon}})
	covered := recsys.Event{EventID: "covered", UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: to.Add(-time.Hour)}
	later := covered
	later.EventID, later.OccurredAt = "later", to
	postgrestest.Stream(t, a.Store, covered, later)
	require.NoError(t, a.Store.WriteVerdicts(t.Context(), []events.Verdict{
		{EventID: "covered", Digest: covered.Digest(), Verdict: events.Folded, ArrivedAt: to},
	}, nil))
	prune := func() (out PruneResult) {
		value, err := env.ExecuteActivity(a.Prune)
		require.NoError(t, err)
		require.NoError(t, value.Get(&out))
		return out
	}

	a.EventRetention = time.Hour
	require.Equal(t, PruneResult{}, prune(), "the stream may deliver them again")
	a.EventRetention = -time.Hour
	require.Equal(t, PruneResult{Events: 1, Verdicts: 1}, prune(), "events that no version covers are kept")
	require.Equal(t, PruneResult{}, prune())
}
