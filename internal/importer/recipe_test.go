package importer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/importer/recipes"
)

// Files as their sources write them, read with the recipe of the source.
func TestImport_follows_recipes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files   map[string]string
		events  []string
		items   []itemRow
		ignored int
		skipped int64
	}{
		"retailrocket": {
			files: map[string]string{
				"events.csv":                "timestamp,visitorid,event,itemid,transactionid\n1433221332117,257597,view,355908,\n1433222276276,158090,addtocart,464731,\n1433222276277,158090,transaction,464731,4000\n",
				"item_properties_part1.csv": "timestamp,itemid,property,value\n1435460400000,460429,categoryid,1338\n",
				"category_tree.csv":         "categoryid,parentid\n1016,213\n",
			},
			events: []string{"158090/464731/add_to_cart@2015-06-02T05:17:56.276", "158090/464731/purchase@2015-06-02T05:17:56.277", "257597/355908/view@2015-06-02T05:02:12.117"}, ignored: 2,
		},
		"rees46": {
			files: map[string]string{"2019-Oct.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n" +
				"2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00-8c23-a032dfed738c\n" +
				"2019-10-01 00:00:01 UTC,cart,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde-8bb3-4e00-8c23-a032dfed738c\n"},
			events: []string{"541312140/44600062/view@2019-10-01T00:00:00", "541312140/44600062/add_to_cart@2019-10-01T00:00:01"},
		},
		"movielens": {
			files: map[string]string{
				"ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n", "movies.csv": "movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n",
				"links.csv": "movieId,imdbId,tmdbId\n1,0114709,862\n", "tags.csv": "userId,movieId,tag,timestamp\n2,60756,funny,1445714994\n",
			},
			events: []string{"1/1/rating/4@2000-07-30T18:45:03"}, ignored: 2,
			items: []itemRow{{ItemID: "1", Title: "Toy Story (1995)", Category: "Adventure", Tags: []string{"Adventure", "Comedy"}, Available: true}},
		},
		"ga4": {
			files: map[string]string{"events.json": `{"event_date":"20210131","event_timestamp":"1612069510766593","event_name":"page_view","user_pseudo_id":"1026454.44","event_params":[{"key":"page","value":{"string_value":"x"}}],"items":[]}
{"event_date":"20210131","event_timestamp":"1612069510766594","event_name":"add_to_cart","user_pseudo_id":"1026454.44","items":[{"item_id":"GGOEG","item_name":"Pen","quantity":2},{"item_id":"GGOEH","item_name":"Cup","quantity":null}]}
{"event_date":"20210131","event_timestamp":"1612069510766595","event_name":"purchase","user_id":"u7","user_pseudo_id":"1026454.44","items":[{"item_id":"GGOEG","quantity":1}]}
`},
			events:  []string{"1026454.44/GGOEG/add_to_cart/2@2021-01-31T05:05:10.766594", "1026454.44/GGOEH/add_to_cart@2021-01-31T05:05:10.766594", "u7/GGOEG/purchase/1@2021-01-31T05:05:10.766595"},
			skipped: 1,
		},
		"snowplow": {
			files: map[string]string{"good.jsonl": `{"event_id":"e1","event_name":"page_view","domain_userid":"d1","derived_tstamp":"2026-01-01T10:00:00.000Z"}
{"event_id":"e2","event_name":"snowplow_ecommerce_action","domain_userid":"d1","user_id":null,"derived_tstamp":"2026-01-01T10:00:01.000Z","unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1":{"type":"product_view"},"contexts_com_snowplowanalytics_snowplow_ecommerce_product_1":[{"id":"P1","price":3}]}
{"event_id":"e3","event_name":"snowplow_ecommerce_action","domain_userid":"d1","user_id":"u1","derived_tstamp":"2026-01-01T10:00:02.000Z","unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1":{"type":"transaction"},"contexts_com_snowplowanalytics_snowplow_ecommerce_product_1":[{"id":"P1","quantity":2},{"id":"P2"}]}
`},
			events:  []string{"d1/P1/view@2026-01-01T10:00:01", "u1/P1/purchase/2@2026-01-01T10:00:02", "u1/P2/purchase@2026-01-01T10:00:02"},
			skipped: 1,
		},
		"segment": {
			files: map[string]string{"track.json": `{"messageId":"m1","type":"track","event":"Product Viewed","userId":null,"anonymousId":"a1","timestamp":"2026-01-01T10:00:00.000Z","properties":{"product_id":"P1","price":18.99}}
{"messageId":"m2","type":"page","name":"Home","anonymousId":"a1","timestamp":"2026-01-01T10:00:01.000Z","properties":{}}
{"messageId":"m3","type":"track","event":"Order Completed","userId":"u1","anonymousId":"a1","timestamp":"2026-01-01T10:00:02.000Z","properties":{"order_id":"o1","products":[{"product_id":"P1","quantity":1},{"product_id":"P2","quantity":2}]}}
{"messageId":"m4","type":"track","event":"Logged In","userId":"u1","timestamp":"2026-01-01T10:00:03.000Z","properties":{"plan":"x"}}
`},
			events:  []string{"a1/P1/view@2026-01-01T10:00:00", "u1/P1/purchase/1@2026-01-01T10:00:02", "u1/P2/purchase/2@2026-01-01T10:00:02"},
			skipped: 2,
		},
		"personalize-csv": {
			files: map[string]string{
				"interactions.csv": "USER_ID,ITEM_ID,EVENT_TYPE,EVENT_VALUE,TIMESTAMP,RECOMMENDATION_ID,IMPRESSION\nu1,i1,Watch,0.5,1586731606,,i1|i2\nu1,i2,click,,1586731607,,\n",
				"items.csv":        "ITEM_ID,CREATION_TIMESTAMP,GENRES,CATEGORY_L1,PRODUCT_DESCRIPTION\ni1,1570003267,Action|Drama,film,words\n",
				"users.csv":        "USER_ID,AGE,GENDER\nu1,30,f\n",
			},
			events: []string{"u1/i1/Watch/0.5@2020-04-12T22:46:46", "u1/i2/click@2020-04-12T22:46:47"}, ignored: 1,
			items: []itemRow{{ItemID: "i1", Category: "film", Text: "words", Tags: []string{"Action", "Drama"}, Available: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, body := range c.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(body), 0o600))
			}
			text, err := recipes.Text(name)
			require.NoError(t, err)
			recipe, err := recipes.Parse(text)
			require.NoError(t, err)
			m, o := newMemory(), options(t)
			o.Recipe = &recipe
			r, err := Import(t.Context(), m, []string{dir}, o)
			require.NoError(t, err)
			require.Zero(t, r.Rejected, "%v", r.Files)
			slices.Sort(c.events)
			got := short(m.events(t))
			slices.Sort(got)
			require.Equal(t, c.events, got)
			require.Equal(t, c.items, m.items(t))
			require.Len(t, r.Ignored, c.ignored)
			var skipped int64
			for _, f := range r.Files {
				skipped += f.Skipped
				require.Equal(t, f.Rows, f.Accepted+f.Skipped)
			}
			require.Equal(t, c.skipped, skipped)
		})
	}
}
