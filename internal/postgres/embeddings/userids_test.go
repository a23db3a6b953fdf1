package embeddings_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestUserIDs_partition_all_users(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var data postgrestest.Data
	v := postgrestest.Build(t, s, postgrestest.Fixture{Change: func(d *postgrestest.Data) { data = *d }})
	want := map[string]bool{}
	for _, u := range data.Users {
		want[u.ID] = true
	}
	trained := data.Users[3].ID
	event := func(user string, at time.Time) recsys.Event {
		return recsys.Event{EventID: fmt.Sprintf("%s %s", user, at), UserID: user, ItemID: data.Items[0].ItemID, EventType: recsys.Click, OccurredAt: at}
	}
	later := v.Coverage.To.Add(time.Hour)
	for _, user := range []string{"new", "Ünïcode\\x00", "'quoted'", trained} {
		postgrestest.Stream(t, s, event(user, later), event(user, later.Add(time.Minute)))
		want[user] = true
	}

	for _, n := range []int{1, 2, 7, 50} {
		var got []string
		for i := range n {
			hashes := backfill.WindowHashes(i, n)
			var window []string
			for after := ""; ; after = window[len(window)-1] {
				page, err := s.UserIDs(t.Context(), v, hashes, after, 40)
				require.NoError(t, err)
				require.LessOrEqual(t, len(page), 40)
				if len(page) == 0 {
					break
				}
				window = append(window, page...)
			}
			require.True(t, slices.IsSorted(window))
			added, err := s.NewUserIDs(t.Context(), v, hashes)
			require.NoError(t, err)
			require.True(t, slices.IsSorted(added))
			window = append(window, added...)
			for _, id := range window {
				require.True(t, hashes.Contains(id), "Postgres and Go compute the same hash")
			}
			got = append(got, window...)
		}
		require.Len(t, got, len(want), "each user is in one window, once")
		for _, id := range got {
			require.True(t, want[id], id)
		}
	}
	users, err := s.CountUsers(t.Context(), v)
	require.NoError(t, err)
	require.EqualValues(t, len(want), users)
}

func TestUserIDs_of_a_dropped_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	_, err := s.UserIDs(t.Context(), recsys.Version{ID: 77}, backfill.HashRange{}, "", 10)
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	_, err = s.NewUserIDs(t.Context(), recsys.Version{ID: 77}, backfill.HashRange{})
	require.ErrorIs(t, err, recsys.ErrVersionGone)
	_, err = s.CountUsers(t.Context(), recsys.Version{ID: 77})
	require.ErrorIs(t, err, recsys.ErrVersionGone)
}
