package items_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/recommend"
)

func TestItemsAndExplain(t *testing.T) {
	clitest.WithVersions(t, clitest.NewSystem(t))
	clitest.StartAPI(t, clitest.NoTemporal)
	lists := func(args ...string) (l []recommend.List) {
		t.Helper()
		r := clitest.Run(t.Context(), "", append([]string{"recommend", "-o", "json"}, args...)...)
		require.Equal(t, 0, r.Code, r.Err)
		require.NoError(t, json.Unmarshal([]byte(r.Out), &l))
		return l
	}
	first := lists("u00005")[0].Items[0]

	t.Run("it splits a score", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "explain", "u00005", first.ItemID)
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, first.ItemID+" "+first.Title+" for user u00005 · personalized · version 1 · score ")
		var e recommend.Explanation
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "explain", "u00005", first.ItemID, "-o", "json").Out), &e))
		assert.InDelta(t, first.Score, e.Score, 1e-5)
		assert.Contains(t, clitest.Run(t.Context(), "", "explain", "stranger", first.ItemID).Out, "popularity")
		assert.Contains(t, clitest.Run(t.Context(), "", "explain", "u00005", e.Terms[0].ItemID).Out, "not in the list: seen")
		assert.Contains(t, clitest.Run(t.Context(), "", "explain", "u00005", "milk").Err, "unknown item")
	})
	t.Run("it overrides an item's fields at once", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "items", "set", first.ItemID, "--available=false", "--title", "Sold out", "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var item apiclient.CurrentItem
		require.NoError(t, json.Unmarshal([]byte(r.Out), &item))
		assert.Equal(t, []any{"Sold out", false, true}, []any{item.Title, item.Available, item.Known})
		assert.NotEqual(t, first.ItemID, lists("u00005")[0].Items[0].ItemID)
		assert.Contains(t, clitest.Run(t.Context(), "", "items", "show", first.ItemID).Out, "Sold out")
		require.Equal(t, 0, clitest.Run(t.Context(), "", "items", "set", first.ItemID, "--reset", "available,title").Code)
		assert.Equal(t, first, lists("u00005")[0].Items[0])
		assert.Equal(t, app.ExitNotFound, clitest.Run(t.Context(), "", "items", "show", "milk").Code)
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "items", "set", first.ItemID).Code)
	})
	t.Run("it changes the items of a file", func(t *testing.T) {
		r := clitest.Run(t.Context(), `{"item_id":"`+first.ItemID+`","available":false}`+"\n\n"+`{"item_id":"milk","title":"Milk"}`+"\n"+`{"item_id":"oats"}`+"\n", "items", "set", "--file", "-", "-o", "json")
		require.Equal(t, 1, r.Code, r.Err)
		assert.JSONEq(t, `{"changed":2,"unknown":1,"refused":[{"item_id":"oats","changed":false,"known":false,"detail":"it changes nothing: set available, title, category, tags or reset"}]}`, r.Out)
		assert.Contains(t, r.Err, "the live version does not have 1 of the items")
		assert.NotEqual(t, first.ItemID, lists("u00005")[0].Items[0].ItemID)
		r = clitest.Run(t.Context(), `{"item_id":"`+first.ItemID+`","reset":["available"]}`, "items", "set", "--file", "-")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Equal(t, first, lists("u00005")[0].Items[0])
		r = clitest.Run(t.Context(), `{"item_id":"1","avail":false}`, "items", "set", "--file", "-")
		assert.Contains(t, r.Err, "standard input:1: json: unknown field")
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "items", "set").Code)
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "items", "set", "x", "--file", "-").Code)
		assert.Equal(t, app.ExitUsage, clitest.Run(t.Context(), "", "items", "set", "--file", "-", "--title", "x").Code)
		assert.Contains(t, clitest.Run(t.Context(), "", "items", "set", "milk", "--title", "x").Err, "the live version does not have the item milk")
	})
	t.Run("it changes the named item, whatever characters its id contains", func(t *testing.T) {
		for _, id := range []string{"q+5/ab", "/O85Y/W+TnjakcLb", "..", "a%2Fb", "100% é?#&="} {
			var item apiclient.CurrentItem
			r := clitest.Run(t.Context(), "", "items", "set", id, "--title", "T "+id, "-o", "json")
			require.Equal(t, 0, r.Code, r.Err)
			require.NoError(t, json.Unmarshal([]byte(r.Out), &item))
			assert.Equal(t, []string{id, "T " + id}, []string{item.ItemID, item.Title})
		}
	})
	t.Run("it follows recent clicks", func(t *testing.T) {
		anonymous := lists("--recent", "i000010")[0]
		assert.Equal(t, recommend.Session, anonymous.Stage)
		assert.NotEqual(t, first.ItemID, lists("u00005", "--exclude", first.ItemID)[0].Items[0].ItemID)
		assert.NotEqual(t, lists("u00005")[0].RecommendationID, lists("u00005", "--recent", "i000010")[0].RecommendationID)
		assert.Contains(t, clitest.Run(t.Context(), "", "recommend", "--recent", "i000010").Out, "anonymous user · session")
	})
}
