package embeddings_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestUsers_equal_the_loaded_ones(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var data *postgrestest.Data
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 100, Users: 40, Change: func(d *postgrestest.Data) {
		d.Users[0] = recsys.User{ID: "only-met", History: recsys.History{Seen: []string{"i000001"}}}
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
	require.Equal(t, []string{"i000001"}, met.History.Seen)

	_, err = s.User(t.Context(), v, "stranger")
	require.ErrorIs(t, err, recsys.ErrNotFound)
	users, err := s.Users(t.Context(), v, []string{"u00002", "stranger", "u00001"})
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

func TestItems_equal_the_loaded_ones(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	var data *postgrestest.Data
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 100, Users: 10, Change: func(d *postgrestest.Data) { data = d }})
	item, vector, err := s.Item(t.Context(), v, data.Items[7].ItemID)
	require.NoError(t, err)
	require.Equal(t, data.Items[7].Item, item)
	require.Equal(t, data.Items[7].Vector, vector)
	no := false
	setOverride(t, s, item.ItemID, embeddings.ItemChange{Available: &no})
	item, _, err = s.Item(t.Context(), v, item.ItemID)
	require.NoError(t, err)
	require.False(t, item.Available)
	_, _, err = s.Item(t.Context(), v, "nothing")
	require.ErrorIs(t, err, recsys.ErrNotFound)

	vectors, err := s.ItemVectors(t.Context(), v, []string{data.Items[3].ItemID, "nothing", data.Items[4].ItemID})
	require.NoError(t, err)
	require.Equal(t, map[string][]float32{data.Items[3].ItemID: data.Items[3].Vector, data.Items[4].ItemID: data.Items[4].Vector}, vectors)
}

func TestHoldoutUsers_are_ordered_by_user_and_time(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	s := postgrestest.Open(t, url)
	s.HoldoutPage = 40
	var data *postgrestest.Data
	rating := 2.5
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 100, Users: 60, Change: func(d *postgrestest.Data) {
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

	db, err := postgres.Open(t.Context(), postgres.Options{URL: url, MaxConns: 1})
	require.NoError(t, err)
	defer db.Close()
	one := embeddings.New(db)
	one.HoldoutPage = 40
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, one.HoldoutUsers(ctx, v, func(user string, _, _ []recsys.Event) error {
		_, err := one.User(ctx, v, user)
		return err
	}), "it leaves the only connection to the caller")

	items, users, rows, err := s.CountRows(t.Context(), v)
	require.NoError(t, err)
	require.Equal(t, []int64{100, 60, int64(len(data.Holdout))}, []int64{items, users, rows})
}

func TestBadVectors_counts_unusable_vectors(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 50, Users: 20, Change: func(d *postgrestest.Data) {
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
	require.EqualValues(t, 1, users, "a missing vector is not bad, nor is a very long one")
}

func TestHoldoutUsers_reads_pages_of_the_default_size(t *testing.T) {
	t.Parallel()
	const users, each = 5, 2_001 // a page of 5,000 ends inside the third user
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 30, Users: 10, Change: func(d *postgrestest.Data) {
		row := d.Holdout[0]
		d.Holdout = nil
		for i := range users * each {
			row.UserID = fmt.Sprintf("h%d", i/each)
			row.EventID = fmt.Sprintf("e%05d", i)
			row.Answer = i%each == each-1
			d.Holdout = append(d.Holdout, row)
		}
	}})
	var seen []string
	err := s.HoldoutUsers(t.Context(), v, func(user string, history, answers []recsys.Event) error {
		require.Len(t, history, each-1)
		require.Len(t, answers, 1)
		seen = append(seen, user)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"h0", "h1", "h2", "h3", "h4"}, seen)
}
