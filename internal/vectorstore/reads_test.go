package vectorstore_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
	"github.com/recflow/recflow/internal/vectorstore/vectorstoretest"
)

func TestUsersComeBackAsTheyWereLoaded(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	var data *vectorstoretest.Data
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 100, Users: 40, Change: func(d *vectorstoretest.Data) {
		d.Users[0] = vectorstore.User{ID: "only-met", History: recsys.History{Met: []string{"i000001"}}}
		data = d
	}})
	for _, want := range data.Users[1:] {
		got, err := s.User(t.Context(), v, want.ID)
		require.NoError(t, err)
		require.Equal(t, want.Vector, got.Vector)
		require.Equal(t, want.History.Items, got.History.Items)
		require.Equal(t, want.History.Weights, got.History.Weights)
		require.True(t, want.History.Reference.Equal(got.History.Reference))
	}
	met, err := s.User(t.Context(), v, "only-met")
	require.NoError(t, err)
	require.Nil(t, met.Vector)
	require.True(t, met.History.Empty())
	require.True(t, met.History.Reference.IsZero())
	require.Equal(t, []string{"i000001"}, met.History.Met)

	_, err = s.User(t.Context(), v, "nobody")
	require.ErrorIs(t, err, recsys.ErrNotFound)
	users, err := s.Users(t.Context(), v, []string{"u00002", "nobody", "u00001"})
	require.NoError(t, err)
	require.Len(t, users, 2)

	sample, err := s.SampleUsers(t.Context(), v, 10, "a")
	require.NoError(t, err)
	require.Len(t, sample, 10)
	again, err := s.SampleUsers(t.Context(), v, 10, "a")
	require.NoError(t, err)
	require.Equal(t, sample, again)
	other, err := s.SampleUsers(t.Context(), v, 1000, "b")
	require.NoError(t, err)
	require.Len(t, other, 39, "only users with a vector")
	require.NotEqual(t, sample, other[:10])
}

func TestItemsComeBackAsTheyWereLoaded(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	var data *vectorstoretest.Data
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 100, Users: 10, Change: func(d *vectorstoretest.Data) { data = d }})
	item, vector, err := s.Item(t.Context(), v, data.Items[7].ItemID)
	require.NoError(t, err)
	require.Equal(t, data.Items[7].Item, item)
	require.Equal(t, data.Items[7].Vector, vector)
	no := false
	say(t, s, item.ItemID, vectorstore.ItemChange{Available: &no})
	item, _, err = s.Item(t.Context(), v, item.ItemID)
	require.NoError(t, err)
	require.False(t, item.Available)
	_, _, err = s.Item(t.Context(), v, "nothing")
	require.ErrorIs(t, err, recsys.ErrNotFound)

	vectors, err := s.ItemVectors(t.Context(), v, []string{data.Items[3].ItemID, "nothing", data.Items[4].ItemID})
	require.NoError(t, err)
	require.Equal(t, map[string][]float32{data.Items[3].ItemID: data.Items[3].Vector, data.Items[4].ItemID: data.Items[4].Vector}, vectors)
}

func TestTheHoldoutComesBackByUserAndTime(t *testing.T) {
	t.Parallel()
	pages := vectorstore.Tuning{HoldoutPage: 40}
	url := vectorstoretest.URL(t)
	s := vectorstoretest.OpenTuned(t, url, pages)
	var data *vectorstoretest.Data
	rating := 2.5
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 100, Users: 60, Change: func(d *vectorstoretest.Data) {
		d.Holdout[0].Value = &rating
		data = d
	}})
	type split struct{ history, answers []string }
	want, got := map[string]split{}, map[string]split{}
	add := func(m map[string]split, e recsys.Event, answer bool) {
		u := m[e.UserID]
		if answer {
			u.answers = append(u.answers, e.EventID)
		} else {
			u.history = append(u.history, e.EventID)
		}
		m[e.UserID] = u
	}
	for _, row := range data.Holdout {
		add(want, row.Event, row.Answer)
	}
	values := 0
	last := ""
	err := s.HoldoutUsers(t.Context(), v, func(user string, history, answers []recsys.Event) error {
		require.Greater(t, user, last)
		last = user
		for _, e := range history {
			add(got, e, false)
			if e.Value != nil && e.EventType != recsys.Rating {
				require.Equal(t, rating, *e.Value)
				values++
			}
		}
		for _, e := range answers {
			add(got, e, true)
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, 1, values)

	one, err := vectorstore.Open(t.Context(), vectorstore.Options{URL: url, MaxConns: 1, Tuning: pages})
	require.NoError(t, err)
	defer one.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, one.HoldoutUsers(ctx, v, func(user string, _, _ []recsys.Event) error {
		_, err := one.User(ctx, v, user)
		return err
	}), "it leaves its only connection to the caller")

	items, users, rows, err := s.CountRows(t.Context(), v)
	require.NoError(t, err)
	require.Equal(t, []int64{100, 60, int64(len(data.Holdout))}, []int64{items, users, rows})
}

func TestBadVectorsAreCounted(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	v := vectorstoretest.Build(t, s, vectorstoretest.Fixture{Items: 50, Users: 20, Change: func(d *vectorstoretest.Data) {
		d.Items[1].Vector = make([]float32, 16)
		d.Users[2].Vector = make([]float32, 16)
		d.Users[3].Vector = nil
		for i := range d.Users[4].Vector {
			d.Users[4].Vector[i] = math.MaxFloat32
		}
	}})
	items, users, err := s.BadVectors(t.Context(), v)
	require.NoError(t, err)
	require.EqualValues(t, 1, items)
	require.EqualValues(t, 1, users, "no vector at all is not a bad one, nor is a very long one")
}

func TestTheHorizonKeepsVersionsFromGoingLive(t *testing.T) {
	t.Parallel()
	s := vectorstoretest.New(t)
	past := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	var events []recsys.Event
	for n := range 10 {
		events = append(events, liveEvent(n, past.Add(time.Duration(n)*time.Hour)))
	}
	vectorstoretest.Stream(t, s, events...)
	future := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	covering := func(run string, until int) recsys.Version {
		return vectorstoretest.Build(t, s, vectorstoretest.Fixture{
			RunID: run, Items: 30, Users: 10, Coverage: recsys.Coverage{To: past.Add(time.Duration(until) * time.Hour), StoredTo: future},
		})
	}
	half := covering("half", 5)
	all := recsys.Coverage{To: past.Add(24 * time.Hour), StoredTo: future}
	before, err := s.StreamedSet(t.Context(), all)
	require.NoError(t, err)
	var hash uint64
	for _, e := range events {
		hash ^= recsys.IDHash("", e.EventID)
	}
	require.Equal(t, recsys.EventSet{Count: 10, Hash: fmt.Sprintf("%016x", hash)}, before)

	n, err := s.DropCoveredEvents(t.Context(), past)
	require.NoError(t, err)
	require.Zero(t, n, "the stream may still deliver them again")
	n, err = s.DropCoveredEvents(t.Context(), future)
	require.NoError(t, err)
	require.EqualValues(t, 5, n, "what the version has not counted stays")
	after, err := s.StreamedSet(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, before, after, "the fingerprint covers what was dropped")
	vectorstoretest.Stream(t, s, events[0])
	again, err := s.StreamedSet(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, recsys.EventSet{Count: 11, Hash: fmt.Sprintf("%016x", hash^recsys.IDHash("", events[0].EventID))}, again,
		"an event that is sent again after it was dropped is stored anew, here and in the delivered objects")

	h, err := s.Horizon(t.Context())
	require.NoError(t, err)
	require.True(t, h.Covers(half.Coverage))
	promote(t, s, half.ID)
	early := covering("early", 3)
	require.False(t, h.Covers(early.Coverage))
	_, err = s.Promote(t.Context(), vectorstore.Promotion{Version: early.ID})
	require.ErrorIs(t, err, recsys.ErrGateRefused)
	require.ErrorContains(t, err, "horizon")
}
