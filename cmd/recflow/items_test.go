package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recommend"
)

func TestItemsAndExplain(t *testing.T) {
	withVersions(t, newSystem(t))
	withAPI(t, noTemporal)
	lists := func(args ...string) (l []recommend.List) {
		t.Helper()
		r := recflow(t.Context(), "", append([]string{"recommend", "-o", "json"}, args...)...)
		require.Equal(t, 0, r.code, r.err)
		require.NoError(t, json.Unmarshal([]byte(r.out), &l))
		return l
	}
	first := lists("u00005")[0].Items[0]

	t.Run("it splits a score", func(t *testing.T) {
		r := recflow(t.Context(), "", "explain", "u00005", first.ItemID)
		require.Equal(t, 0, r.code, r.err)
		assert.Contains(t, r.out, first.ItemID+" "+first.Title+" for user u00005 · personalised · version 1 · score ")
		var e recommend.Explanation
		require.NoError(t, json.Unmarshal([]byte(recflow(t.Context(), "", "explain", "u00005", first.ItemID, "-o", "json").out), &e))
		assert.InDelta(t, first.Score, e.Score, 1e-5)
		assert.Contains(t, recflow(t.Context(), "", "explain", "nobody", first.ItemID).out, "popularity")
		assert.Contains(t, recflow(t.Context(), "", "explain", "u00005", e.Terms[0].ItemID).out, "not in the list: met")
		assert.Contains(t, recflow(t.Context(), "", "explain", "u00005", "milk").err, "unknown item")
	})
	t.Run("it says what holds of an item, at once", func(t *testing.T) {
		r := recflow(t.Context(), "", "items", "set", first.ItemID, "--available=false", "--title", "Sold out", "-o", "json")
		require.Equal(t, 0, r.code, r.err)
		var item apiclient.ItemNow
		require.NoError(t, json.Unmarshal([]byte(r.out), &item))
		assert.Equal(t, []any{"Sold out", false, true}, []any{item.Title, item.Available, item.Known})
		assert.NotEqual(t, first.ItemID, lists("u00005")[0].Items[0].ItemID)
		assert.Contains(t, recflow(t.Context(), "", "items", "show", first.ItemID).out, "Sold out")
		require.Equal(t, 0, recflow(t.Context(), "", "items", "set", first.ItemID, "--reset", "available,title").code)
		assert.Equal(t, first, lists("u00005")[0].Items[0])
		assert.Equal(t, exitNotFound, recflow(t.Context(), "", "items", "show", "milk").code)
		assert.Equal(t, exitUsage, recflow(t.Context(), "", "items", "set", first.ItemID).code)
	})
	t.Run("it changes the item that is named, whatever its id holds", func(t *testing.T) {
		for _, id := range []string{"q+5/ab", "/O85Y/W+TnjakcLb", "..", "a%2Fb", "100% é?#&="} {
			var item apiclient.ItemNow
			r := recflow(t.Context(), "", "items", "set", id, "--title", "T "+id, "-o", "json")
			require.Equal(t, 0, r.code, r.err)
			require.NoError(t, json.Unmarshal([]byte(r.out), &item))
			assert.Equal(t, []string{id, "T " + id}, []string{item.ItemID, item.Title})
		}
	})
	t.Run("it follows what was clicked just now", func(t *testing.T) {
		anonymous := lists("--recent", "i000010")[0]
		assert.Equal(t, recommend.Session, anonymous.Stage)
		assert.NotEqual(t, first.ItemID, lists("u00005", "--exclude", first.ItemID)[0].Items[0].ItemID)
		assert.NotEqual(t, lists("u00005")[0].RecommendationID, lists("u00005", "--recent", "i000010")[0].RecommendationID)
		assert.Contains(t, recflow(t.Context(), "", "recommend", "--recent", "i000010").out, "nobody in particular · session")
	})
}
