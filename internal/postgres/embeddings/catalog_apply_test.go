package embeddings_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// at is a time on the clock of the tests of catalogs.
func at(n int64) time.Time { return time.UnixMicro(1_000_000 * n) }

func each(rows ...recsys.CatalogRow) iter.Seq2[recsys.CatalogRow, error] {
	return func(yield func(recsys.CatalogRow, error) bool) {
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// complete returns a complete catalog of these items, imported at a time.
func complete(n int64, items ...string) (rows []recsys.CatalogRow) {
	for _, id := range items {
		rows = append(rows, recsys.CatalogRow{ItemID: id, Available: true, Written: at(n), ReplacesBefore: at(n), Source: fmt.Sprint(n)})
	}
	return rows
}

// unavailable returns the items of a version that are in no list.
func unavailable(t *testing.T, s *postgrestest.Store, v recsys.Version) (ids []string) {
	t.Helper()
	hits, err := s.Popular(t.Context(), v, recsys.Query{K: 1000})
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, h := range hits {
		listed[h.ItemID] = true
	}
	c, err := s.OverridesSince(t.Context(), recsys.OverrideRevision{})
	require.NoError(t, err)
	require.NoError(t, s.EachItem(t.Context(), v, func(i recsys.Item, _ []float32) error {
		available := i.Available
		if o := c.Overrides[i.ItemID].Available; o != nil {
			available = *o
		}
		require.Equal(t, listed[i.ItemID], available, "Postgres and readers in memory agree on %s", i.ItemID)
		if !available {
			ids = append(ids, i.ItemID)
		}
		return nil
	}))
	return ids
}

// apply applies a catalog.
func apply(t *testing.T, s *postgrestest.Store, rows ...recsys.CatalogRow) embeddings.AppliedCatalog {
	t.Helper()
	c, err := s.ApplyCatalog(t.Context(), each(rows...), func(int64) {})
	require.NoError(t, err)
	return c
}

// fixture builds a version of the items i000000 to i000009, all of which are available
// except those named.
func fixture(t *testing.T, s *postgrestest.Store, without ...string) recsys.Version {
	t.Helper()
	return postgrestest.Build(t, s, postgrestest.Fixture{RunID: fmt.Sprint("without-", len(without)), Items: 10, Users: 5, Dimension: 8, Change: func(d *postgrestest.Data) {
		for i := range d.Items {
			d.Items[i].Available = true
			for _, id := range without {
				d.Items[i].Available = d.Items[i].Available && d.Items[i].ItemID != id
			}
		}
	}})
}

var eight = []string{"i000000", "i000001", "i000002", "i000003", "i000004", "i000005", "i000006", "i000007"}

func TestApplyCatalog(t *testing.T) {
	t.Parallel()
	t.Run("items that a complete catalog lacks are unavailable at once", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		require.Empty(t, unavailable(t, s, v))
		first := complete(1, eight...)
		require.Equal(t, embeddings.AppliedCatalog{Items: 8, Complete: true, Unavailable: 2, Changed: 2}, apply(t, s, first...))
		require.ElementsMatch(t, []string{"i000008", "i000009"}, unavailable(t, s, v))
		state, err := s.ItemState(t.Context(), "i000008")
		require.NoError(t, err)
		require.True(t, state.ByCatalog)
		require.False(t, *state.Available)
		require.Equal(t, embeddings.AppliedCatalog{Items: 8, Complete: true, Unavailable: 2}, apply(t, s, first...), "again it changes nothing")

		second := complete(2, append(eight[1:], "i000008")...)
		require.Equal(t, embeddings.AppliedCatalog{Items: 9, Complete: true, Unavailable: 2, Changed: 2}, apply(t, s, append(first, second...)...))
		require.ElementsMatch(t, []string{"i000000", "i000009"}, unavailable(t, s, v), "an item of a later catalog is back")
	})
	t.Run("a catalog that is not complete adds its items", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		rows := append(complete(1, eight...), recsys.CatalogRow{ItemID: "i000009", Available: true, Written: at(2)},
			recsys.CatalogRow{ItemID: "i000001", Written: at(2)})
		apply(t, s, rows...)
		require.ElementsMatch(t, []string{"i000001", "i000008"}, unavailable(t, s, v))
		apply(t, s, recsys.CatalogRow{ItemID: "i000001", Written: at(2)})
		require.ElementsMatch(t, []string{"i000001"}, unavailable(t, s, v), "without a complete catalog an unknown item is available")
		require.Equal(t, embeddings.AppliedCatalog{Changed: 1}, apply(t, s))
		require.Empty(t, unavailable(t, s, v), "without any catalog the version's own values apply")
		without := fixture(t, s, "i000003")
		require.Zero(t, apply(t, s))
		require.Equal(t, []string{"i000003"}, unavailable(t, s, without))
		c := apply(t, s, recsys.CatalogRow{ItemID: "i000001", Available: true, Written: at(3)})
		require.Equal(t, embeddings.AppliedCatalog{Items: 1}, c, "nor does a catalog that lacks the item change it")
	})
	t.Run("what an operator has set wins and stays", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		yes, no, title := true, false, "Lamp"
		setOverride(t, s, "i000008", embeddings.ItemChange{Available: &yes})
		setOverride(t, s, "i000009", embeddings.ItemChange{Title: &title})
		setOverride(t, s, "i000000", embeddings.ItemChange{Available: &no})
		apply(t, s, complete(1, eight...)...)
		require.ElementsMatch(t, []string{"i000000", "i000009"}, unavailable(t, s, v))
		state := setOverride(t, s, "i000008", embeddings.ItemChange{Reset: []string{"available"}})
		require.True(t, state.ByCatalog)
		require.ElementsMatch(t, []string{"i000000", "i000008", "i000009"}, unavailable(t, s, v), "without the operator's override that of the catalog applies")
		apply(t, s)
		require.Equal(t, []string{"i000000"}, unavailable(t, s, v))
		state, err := s.ItemState(t.Context(), "i000009")
		require.NoError(t, err)
		require.Equal(t, title, *state.Title)
	})
	t.Run("it applies to every version that can be served, whatever their own values", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v1, v2 := fixture(t, s), fixture(t, s, "i000001", "i000009")
		apply(t, s, complete(1, eight...)...)
		for _, v := range []recsys.Version{v1, v2} {
			require.ElementsMatch(t, []string{"i000008", "i000009"}, unavailable(t, s, v))
		}
		c := apply(t, s, complete(2, append(eight, "i000008", "i000009")...)...)
		require.Equal(t, embeddings.AppliedCatalog{Items: 10, Complete: true, Available: 2, Changed: 2}, c)
		for _, v := range []recsys.Version{v1, v2} {
			require.Empty(t, unavailable(t, s, v))
		}
	})
	t.Run("of several rows of an item the latest counts, then that of the last source", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		row := func(id string, available bool, written int64, source string) recsys.CatalogRow {
			return recsys.CatalogRow{ItemID: id, Available: available, Written: at(written), Source: source}
		}
		apply(t, s,
			row("i000001", false, 2, "a"), row("i000001", true, 1, "b"),
			row("i000002", false, 2, "b"), row("i000002", true, 2, "a"),
			row("i000003", false, 2, "a"), row("i000003", true, 2, "a"),
			row("i000004", false, 1, "b"), row("i000004", true, 2, "a"))
		require.ElementsMatch(t, []string{"i000001", "i000002", "i000003"}, unavailable(t, s, v))
	})
	t.Run("a catalog that cannot be read changes nothing", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		broken := errors.New("damaged")
		_, err := s.ApplyCatalog(t.Context(), func(yield func(recsys.CatalogRow, error) bool) {
			if yield(complete(1, "i000001")[0], nil) {
				yield(recsys.CatalogRow{}, broken)
			}
		}, func(int64) {})
		require.ErrorIs(t, err, broken)
		require.Empty(t, unavailable(t, s, v))
	})
	t.Run("two at the same time apply one after the other", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := fixture(t, s)
		second := make(chan error, 1)
		_, err := s.ApplyCatalog(t.Context(), func(yield func(recsys.CatalogRow, error) bool) {
			go func() {
				_, err := s.ApplyCatalog(context.WithoutCancel(t.Context()), each(complete(2, "i000001", "i000002")...), func(int64) {})
				second <- err
			}()
			for _, r := range complete(1, eight...) {
				yield(r, nil)
			}
		}, func(int64) {})
		require.NoError(t, err)
		require.NoError(t, <-second)
		require.Len(t, unavailable(t, s, v), 8, "the one that began to read later has the last word")
	})
	t.Run("many changes are made in batches", func(t *testing.T) {
		t.Parallel()
		s := postgrestest.New(t)
		v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 2500, Users: 5, Dimension: 8, Change: func(d *postgrestest.Data) {
			for i := range d.Items {
				d.Items[i].Available = true
			}
		}})
		var done []int64
		c, err := s.ApplyCatalog(t.Context(), each(complete(1, "other")...), func(n int64) { done = append(done, n) })
		require.NoError(t, err)
		require.EqualValues(t, 2500, c.Changed)
		require.Equal(t, []int64{1000, 2000, 2500}, done)
		require.Len(t, unavailable(t, s, v), 2500)
	})
}
