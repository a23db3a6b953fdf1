package activities

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/stream"
)

// deliver writes events to the bucket, as Firehose does.
func (s steps) deliver(t *testing.T, key string, events ...recsys.Event) {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for _, e := range events {
		w.Write(append(stream.EncodeEvent(e), '\n'))
	}
	require.NoError(t, w.Close())
	require.NoError(t, s.S3.Put(t.Context(), "raw/events/"+key, bytes.NewReader(packed.Bytes())))
}

// delivered returns how many copies of each event are in the bucket.
func (s steps) delivered(t *testing.T) map[string]int {
	t.Helper()
	copies := map[string]int{}
	for o, err := range s.S3.List(t.Context(), "raw/events/") {
		require.NoError(t, err)
		err := awsclient.EachDelivered(t.Context(), s.S3, o.Key, func(e recsys.Event) bool {
			require.False(t, e.StoredAt.IsZero(), "a training needs stored_at")
			copies[e.EventID]++
			return true
		})
		if err != nil {
			require.ErrorIs(t, err, awsclient.ErrDamaged)
		}
	}
	return copies
}

func TestRedeliverEvents_writes_what_is_missing(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	var stored []recsys.Event
	for n := range 10 {
		e := recsys.Event{EventID: fmt.Sprintf("e%d", n), UserID: "u", ItemID: "i", EventType: recsys.Click, OccurredAt: time.Now().UTC().Add(-time.Hour).Truncate(time.Microsecond)}
		e.StoredAt = postgrestest.Stream(t, a.Store, e).Events[0].At
		stored = append(stored, e)
	}
	// The baseline covers the first three, which are not compared.
	v := postgrestest.Build(t, a.Store, postgrestest.Fixture{Items: 30, Users: 10, Coverage: recsys.Coverage{To: time.Now().UTC(), StoredTo: stored[3].StoredAt}})
	postgrestest.Promote(t, a.Store, v.ID)
	day := stored[0].StoredAt.UTC().Format(time.DateOnly)
	a.deliver(t, "dt="+day+"/hour=00/part-1.gz", stored[4], stored[5])
	a.deliver(t, "dt="+day+"/hour=01/part-2.gz", stored[5])
	earlier := stored[6] // the same id was stored, dropped and sent again
	earlier.StoredAt = earlier.StoredAt.Add(-48 * time.Hour)
	a.deliver(t, "dt="+day+"/hour=02/part-3.gz", earlier)
	require.NoError(t, a.S3.Put(t.Context(), "raw/events/dt="+day+"/hour=03/damaged.gz", bytes.NewReader([]byte("not gzip"))))

	run := func(started time.Time) (out RedeliverEventsResult) {
		t.Helper()
		value, err := env.ExecuteActivity(a.RedeliverEvents, RedeliverEventsInput{Started: started})
		require.NoError(t, err)
		require.NoError(t, value.Get(&out))
		return out
	}
	out := run(time.Now())
	require.Zero(t, out.Stored, "the events may still be on their way")

	later := stored[9].StoredAt.Add(deliveryPatience) // all but the last one should have arrived
	out = run(later)
	require.EqualValues(t, 6, out.Stored)
	require.EqualValues(t, 4, out.Redelivered)
	require.Equal(t, 1, out.Objects)
	require.Equal(t, v.ID, out.Baseline.Version)
	require.Equal(t, []string{"raw/events/dt=" + day + "/hour=03/damaged.gz"}, out.Damaged)
	want := map[string]int{"e3": 1, "e4": 1, "e5": 2, "e6": 2, "e7": 1, "e8": 1}
	require.Equal(t, want, a.delivered(t))

	out = run(later.Add(time.Microsecond))
	require.EqualValues(t, 7, out.Stored)
	require.EqualValues(t, 1, out.Redelivered, "only the last one")
	want["e9"] = 1
	require.Equal(t, want, a.delivered(t))
}
