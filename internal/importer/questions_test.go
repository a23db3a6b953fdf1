package importer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/importer/mapping"
)

// What a file leaves open is an error that names the flag to decide with, and
// nothing is written.
func TestImport_asks_what_a_file_leaves_open(t *testing.T) {
	t.Parallel()
	rows := func(header string, rows ...string) string { return header + "\n" + strings.Join(rows, "\n") + "\n" }
	for name, c := range map[string]struct {
		in     string
		want   string
		answer func(*Options)
		events []string
		items  int
	}{
		"a time column of an unknown name": {
			in:     rows("user_id,item_id,wann", "u,i,2026-01-05", "u,j,2026-01-06"),
			want:   `no column is known as the time, but "wann" looks like one ("2026-01-05"); use --time-column "wann", or --time-column none`,
			answer: func(o *Options) { o.Columns.Time = "wann" },
			events: []string{"u/i/click@2026-01-05T00:00:00", "u/j/click@2026-01-06T00:00:00"}},
		"a time column of numbers": {
			in:     rows("user_id,item_id,moment,price", "u,i,1577836800000000,10", "u,j,1609459200000000,20"),
			want:   `"moment" looks like one`,
			answer: func(o *Options) { o.Columns.Time = "none" },
			events: []string{"u/i/click@2026-11-25T12:00:00", "u/j/click@2026-11-25T12:00:00"}},
		"two columns that look like times": {
			in:     rows("user_id,item_id,a,b", "u,i,2026-01-05,2026-01-06"),
			want:   `the columns "a", "b" look like one; choose with --time-column`,
			answer: func(o *Options) { o.Columns.Time = "b" },
			events: []string{"u/i/click@2026-01-06T00:00:00"}},
		"a date and a time of day": {
			in:     rows("user_id,item_id,date,time", "u,i,2026-01-05,10:20:00"),
			want:   `the time could be any of the columns "date", "time"; choose with --time-column`,
			answer: func(o *Options) { o.Columns.Time = "date" },
			events: []string{"u/i/click@2026-01-05T00:00:00"}},
		"a log whose user has an unknown name": {
			in:     rows("who,product_id,category,event_type,event_time", "c1,p1,shoes,purchase,2026-01-01", "c2,p1,shoes,purchase,2026-01-02"),
			want:   `looks like a log of events ("event_type", "event_time"), but no column looks like the user`,
			answer: func(o *Options) { o.Columns.User = "who" },
			events: []string{"c1/p1/purchase@2026-01-01T00:00:00", "c2/p1/purchase@2026-01-02T00:00:00"}},
		"a log with titles whose items repeat": {
			in:     rows("who,product_id,title,date", "c1,p1,Shoe,2026-01-01", "c2,p1,Shoe,2026-01-02"),
			want:   `looks like a log of events`,
			answer: func(o *Options) { o.Kind = KindItems }, items: 1},
		"a catalog with a seller": {
			in:     rows("item_id,title,price,user_id", "1,Lamp,10,s9", "2,Chair,40,s9"),
			want:   `could be a catalog ("title", and every item once) or a log of events ("user_id"); use --items or --events`,
			answer: func(o *Options) { o.Kind = KindItems }, items: 2},
		"ids some of which end in .0": {
			in:     rows("user_id,item_id,ts", "101.0,7,2026-01-01", "102,8,2026-01-01"),
			want:   `1 of 2 ids of users (column "user_id") end in .0; use --id-format integer`,
			answer: func(o *Options) { o.IDFormat = mapping.IDsWhole },
			events: []string{"101/7/click@2026-01-01T00:00:00", "102/8/click@2026-01-01T00:00:00"}},
		"ids that end in .0 late in the file": {
			in:     rows("user_id,item_id,ts", append(repeat("u,7,2026-01-01", 2000), "u,8.0,2026-01-02")...),
			want:   `1 of 2001 ids of items (column "item_id") end in .0`,
			answer: func(o *Options) { o.IDFormat = mapping.IDsAsWritten },
			events: append(repeat("u/7/click@2026-01-01T00:00:00", 2000), "u/8.0/click@2026-01-02T00:00:00")},
		"ids of a catalog": {
			in:     rows("item_id,title", "7.0,Seven", "8,Eight"),
			want:   `1 of 2 ids of items (column "item_id") end in .0`,
			answer: func(o *Options) { o.IDFormat = mapping.IDsWhole }, items: 2},
		"ids that a spreadsheet has rounded": {
			in:     rows("user_id,item_id,ts", "4.00638E+12,7,2026-01-01", "u2,8,2026-01-01"),
			want:   `1 of 2 ids of users (column "user_id") are numbers that a spreadsheet has rounded`,
			answer: func(o *Options) { o.IDFormat = mapping.IDsAsWritten },
			events: []string{"4.00638E+12/7/click@2026-01-01T00:00:00", "u2/8/click@2026-01-01T00:00:00"}},
		"days and months that can be exchanged": {
			in:     rows("user_id,item_id,ts", "u,i,25/12/2025", "u,j,01/02/2026"),
			want:   `in 2 rows the time "25/12/2025" could be in the form dd/mm/yyyy; choose with --time-format`,
			answer: func(o *Options) { o.TimeFormat = "dd/mm/yyyy" },
			events: []string{"u/i/click@2025-12-25T00:00:00", "u/j/click@2026-02-01T00:00:00"}},
		"such days in a column of an unknown name": {
			in:     rows("user_id,item_id,wann", "u,j,01/02/2026"),
			want:   `no column is known as the time, but "wann" looks like one ("01/02/2026")`,
			answer: func(o *Options) { o.Columns.Time, o.TimeFormat = "wann", "mm/dd/yyyy" },
			events: []string{"u/j/click@2026-01-02T00:00:00"}},
		"an event id that is the type": {
			in:     rows("user_id,item_id,event_id,timestamp", "u1,i1,1,2026-01-01", "u1,i2,1,2026-01-02", "u2,i1,2,2026-01-03", "u2,i3,1,2026-01-04"),
			want:   `2 of 4 rows have the id of another row in the column "event_id", but another user, item, type or time`,
			answer: func(o *Options) { o.Columns.ID = "none" },
			events: []string{"u1/i1/click@2026-01-01T00:00:00", "u1/i2/click@2026-01-02T00:00:00", "u2/i1/click@2026-01-03T00:00:00", "u2/i3/click@2026-01-04T00:00:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, path := newMemory(), file(t, "in.csv", []byte(c.in))
			_, err := Import(t.Context(), m, []string{path}, options(t))
			require.ErrorContains(t, err, c.want)
			require.Equal(t, 1, strings.Count(err.Error(), "in.csv"), "the error names the file once: %v", err)
			require.Empty(t, m.keys(""), "wrote something of a refused file")

			o := options(t)
			c.answer(&o)
			r, err := Import(t.Context(), m, []string{path}, o)
			require.NoError(t, err)
			require.ElementsMatch(t, c.events, short(m.events(t)))
			require.EqualValues(t, c.items, r.Items)
		})
	}
}

// What can only mean one thing is read without a question.
func TestImport_reads_what_can_mean_one_thing_only(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in       string
		events   []string
		rejected []string
	}{
		"floats of a data frame that lacks an id": {
			in:       "user_id,item_id,timestamp\n101.0,7.0,2026-02-01\n102.0,9.0,2026-02-01\n,7.0,2026-02-01\n",
			events:   []string{"101/7/click@2026-02-01T00:00:00", "102/9/click@2026-02-01T00:00:00"},
			rejected: []string{"user_id is empty"}},
		"a key within an object next to one of the same name": {
			in:     `{"user_id":"u","user":{"id":7},"item_id":"i","occurred_at":"2026-01-01T00:00:00Z"}`,
			events: []string{"u/i/click@2026-01-01T00:00:00"}},
		"a key within an object": {
			in:     `{"user":{"id":7},"item":{"id":"i","name":"x"},"ts":1767225600}`,
			events: []string{"7/i/click@2026-01-01T00:00:00"}},
		"floats in JSON lines": {
			in:     `{"user_id":101.0,"item_id":7.0,"timestamp":1772323200.0}` + "\n" + `{"user_id":102.0,"item_id":10.0,"timestamp":1772323200.0}`,
			events: []string{"101/7/click@2026-03-01T00:00:00", "102/10/click@2026-03-01T00:00:00"}},
		"one of two time columns has no times": {
			in:     "user_id,item_id,review_time,unix_review_time\nu,i,\"5th of January\",1704412800\n",
			events: []string{"u/i/click@2024-01-05T00:00:00"}},
		"names of times": {
			in:     "customer_id,article_id,t_dat\nc,0101,2024-01-05\n",
			events: []string{"c/0101/click@2024-01-05T00:00:00"}},
		"words for a missing value": {
			in: "user_id,item_id,event_type,rating,ts\nu1,i1,rating,5,2026-01-01\nNULL,i1,rating,5,2026-01-01\nundefined,i1,rating,5,2026-01-01\n(null),i,rating,5,2026-01-01\n" +
				"u1,NaN,rating,5,2026-01-01\nu2,i2,None,nan,2026-01-02\nnullable,none-such,rating,NULL,2026-01-03\n",
			events: []string{"u1/i1/rating/5@2026-01-01T00:00:00", "u2/i2/rating@2026-01-02T00:00:00", "nullable/none-such/rating@2026-01-03T00:00:00"},
			rejected: []string{`the user is "NULL", which stands for a missing value`, `the user is "undefined", which`, `the user is "(null)", which`,
				`the item is "NaN", which`}},
		"a time of 0": {
			in:       "user_id,item_id,timestamp\nu1,i1,1767225600\nu1,i2,0\nu2,i1,1970-01-01\n",
			events:   []string{"u1/i1/click@2026-01-01T00:00:00"},
			rejected: []string{"the time is 0 (1970-01-01), which stands for a missing time; use --zero-time none", "the time is 0"}},
		"keys that appear after the first lines": {
			in:     strings.Repeat(`{"userId":1,"movieId":2,"event":"view","ts":1767225600}`+"\n", 200) + `{"userId":1,"movieId":3,"event":"rating","stars":4,"ts":1767225601}` + "\n",
			events: append(repeat("1/2/view@2026-01-01T00:00:00", 200), "1/3/rating/4@2026-01-01T00:00:01")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r, err := Import(t.Context(), m, []string{file(t, "in", []byte(c.in))}, options(t))
			require.NoError(t, err)
			require.ElementsMatch(t, c.events, short(m.events(t)))
			require.EqualValues(t, len(c.rejected), r.Rejected)
			for i, want := range c.rejected {
				require.Contains(t, r.Files[0].FirstRejects[i].Reason, want)
			}
		})
	}
}

// An optional column can be ignored by a flag.
func TestImport_ignores_columns_on_request(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Columns = mapping.Columns{Session: "none", Recommendation: "none", Value: "none", Type: "none", Time: "none", ID: "none"}
	m := newMemory()
	_, err := Import(t.Context(), m, []string{file(t, "in.csv", []byte(
		"event_id,user_id,item_id,event_type,value,session_id,recommendation_id,occurred_at\ne,u,i,view,3,s,r,2026-01-01\n"))}, o)
	require.NoError(t, err)
	got := m.events(t)[0]
	require.Equal(t, "u/i/click@2026-11-25T12:00:00", short(m.events(t))[0])
	require.NotEqual(t, "e", got.EventID)
	require.Empty(t, got.SessionID+got.RecommendationID)

	o = options(t)
	o.Columns = mapping.Columns{Category: "none", Tags: "none", Text: "none", Available: "none"}
	m = newMemory()
	_, err = Import(t.Context(), m, []string{file(t, "items.csv", []byte("item_id,title,category,tags,text,available\ni,T,c,g,x,false\n"))}, o)
	require.NoError(t, err)
	require.Equal(t, []itemRow{{ItemID: "i", Title: "T", Available: true}}, m.items(t))
}

// Lists of texts are read in every notation.
func TestImport_reads_lists_in_a_catalog(t *testing.T) {
	t.Parallel()
	want := []string{"Horror", "Sci-Fi"}
	for name, tags := range map[string]string{
		"separators": "Horror|Sci-Fi", "JSON": `["Horror", "Sci-Fi"]`, "Python": "['Horror', 'Sci-Fi']", "a tuple": "('Horror', 'Sci-Fi')",
		"objects": "[{'id': 27, 'name': 'Horror'}, {'id': 878, 'name': 'Sci-Fi'}]", "JSON objects": `[{"id":27,"name":"Horror"},{"id":878,"name":"Sci-Fi"}]`,
		"Postgres": "{Horror,Sci-Fi}", "numpy": "['Horror' 'Sci-Fi']", "no quotes": "[Horror, Sci-Fi]", "repeated": "Horror|Sci-Fi|Horror",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			quoted := `"` + strings.ReplaceAll(tags, `"`, `""`) + `"`
			_, err := Import(t.Context(), m, []string{file(t, "items.csv", []byte("item_id,title,genres,category\n1,(no genres listed),"+quoted+",\n2,[REC],[],"+quoted+"\n"))}, options(t))
			require.NoError(t, err)
			items := m.items(t)
			require.Equal(t, itemRow{ItemID: "1", Title: "(no genres listed)", Tags: want, Available: true}, items[0])
			if name != "separators" && name != "repeated" {
				require.Equal(t, itemRow{ItemID: "2", Title: "[REC]", Category: "Horror", Tags: want[1:], Available: true}, items[1])
			}
		})
	}
	m := newMemory()
	_, err := Import(t.Context(), m, []string{file(t, "items.jsonl", []byte(
		`{"asin":"B1","title":"Lamp","category":["Home","Lighting","Lamps"],"description":["A lamp.","Bright."]}`+"\n"+`{"asin":"B2","title":"Chair","category":[],"description":[]}`))}, options(t))
	require.NoError(t, err)
	require.Equal(t, []itemRow{
		{ItemID: "B1", Title: "Lamp", Category: "Home", Tags: []string{"Lighting", "Lamps"}, Text: "A lamp. Bright.", Available: true},
		{ItemID: "B2", Title: "Chair", Available: true}}, m.items(t))
}
