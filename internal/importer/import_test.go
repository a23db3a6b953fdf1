package importer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return w.EncodeAll(b, nil)
}

// Every common kind of file, with the expected result.
func TestImport_reads_common_exports(t *testing.T) {
	t.Parallel()
	const now = "@2026-11-25T12:00:00"
	for name, c := range map[string]struct {
		in       string
		options  func(*Options)
		want     []string
		rejected []string // position and reason, by prefix of the reason
	}{
		"a user and an item column alone": {in: "user_id,item_id\nu,i\n", want: []string{"u/i/click" + now}},
		"no newline at the end":           {in: "user_id,item_id\nu,i", want: []string{"u/i/click" + now}},
		"a BOM":                           {in: "\ufeffuser_id,item_id\nu,i\n", want: []string{"u/i/click" + now}},
		"CRLF":                            {in: "user_id,item_id,timestamp\r\nu,i,2017-12-01\r\n", want: []string{"u/i/click@2017-12-01T00:00:00"}},
		"quoted commas":                   {in: "user,item\n\"u,1\",\"i\"\"2\"\n", want: []string{"u,1/i\"2/click" + now}},
		"quoted newlines in another column": {
			in:   "user,item,comment,time\nu,i,\"two\nlines\",2017-12-01\nv,j,one,2017-12-02\n",
			want: []string{"u/i/click@2017-12-01T00:00:00", "v/j/click@2017-12-02T00:00:00"}},
		"quoted CRLF":            {in: "user,item,comment\r\nu,i,\"two\r\nlines\"\r\nv,j,\"x\"\r\n", want: []string{"u/i/click" + now, "v/j/click" + now}},
		"a quote inside a field": {in: "user,item,size\nu,i,5\"\nv,j,6\n", want: []string{"u/i/click" + now, "v/j/click" + now}},
		"semicolons":             {in: "user;item;rating\nu;i;4.5\n", want: []string{"u/i/rating/4.5" + now}},
		"tabs":                   {in: "user\titem\nu\ti,1\n", want: []string{"u/i,1/click" + now}},
		"old Mac lines":          {in: "user,item\ru,i\r", want: []string{"u/i/click" + now}},
		"UTF-16":                 {in: "\xff\xfeu\x00s\x00e\x00r\x00,\x00i\x00t\x00e\x00m\x00\n\x00u\x00,\x00i\x00\n\x00", want: []string{"u/i/click" + now}},
		"padding":                {in: "user , item,value,comment\n u , \"i \",  2 , \"x, y\"\n", want: []string{"u/i /click/2" + now}},
		"Spark's quotes":         {in: "user,item,comment\nu,i,\"say \\\"hi, you\\\" \\\\\"\n", want: []string{"u/i/click" + now}},
		"nulls of a database":    {in: "user,item,value,ts\nu,i,\\N,\\N\n\\N,i,1,\n", want: []string{"u/i/click" + now}, rejected: []string{":3 user_id is empty"}},
		"a JSON array":           {in: "[{\"user\":1,\n\"item\":2},\n{\"user\":3,\"item\":4}]", want: []string{"1/2/click" + now, "3/4/click" + now}},
		"blank lines":            {in: "\n\nuser,item\n\nu,i\n\n", want: []string{"u/i/click" + now}},
		"additional columns":     {in: "x,userId,y,movieId,z\n1,u,2,i,3\n", want: []string{"u/i/click" + now}},
		"names with spaces":      {in: " User ID , Item Id \nu,i\n", want: []string{"u/i/click" + now}},
		"a rating column":        {in: "userId,movieId,rating,timestamp\n1,2,4.0,964982703\n", want: []string{"1/2/rating/4@2000-07-30T18:45:03"}},
		"a quantity":             {in: "customer_id,product_id,quantity,action\nc,p,2,purchase\n", want: []string{"c/p/purchase/2" + now}},
		"milliseconds":           {in: "user,item,ts\nu,i,1512086400123\n", want: []string{"u/i/click@2017-12-01T00:00:00.123"}},
		"an empty time":          {in: "user,item,ts\nu,i,\n", want: []string{"u/i/click" + now}},
		"an empty type":          {in: "user,item,type\nu,i,\nu,j,view\n", want: []string{"u/i/click" + now, "u/j/view" + now}},
		"a type set for all":     {in: "user,item\nu,i\n", options: func(o *Options) { o.EventType = "view" }, want: []string{"u/i/view" + now}},
		"a set type overrides a guess": {in: "user,item,type\nu,i,grocery\n", options: func(o *Options) { o.EventType = "view" },
			want: []string{"u/i/view" + now}},
		"a column that is disabled": {in: "user,item,date\nu,i,yesterday\n", options: func(o *Options) { o.Columns.Time = "none" },
			want: []string{"u/i/click" + now}},
		"columns that are named": {in: "a,b,c\nu,i,2017-12-01T10:00:00+02:00\n",
			options: func(o *Options) { o.Columns = mapping.Columns{User: "a", Item: "b", Time: "c"} },
			want:    []string{"u/i/click@2017-12-01T08:00:00"}},
		"ids of the maximum length": {in: "user,item\n00012345678901234567890, i \n", want: []string{"00012345678901234567890/i/click" + now}},

		"a row with too few columns": {in: "user,item\nu,i\nv\nw,k\n", want: []string{"u/i/click" + now, "w/k/click" + now},
			rejected: []string{":3 has 1 columns where the header has 2"}},
		"a row with too many columns": {in: "user,item\nu,i,x\nw,k\n", want: []string{"w/k/click" + now}, rejected: []string{":2 has 3 columns"}},
		"an empty user":               {in: "user,item\n,i\nw,k\n", want: []string{"w/k/click" + now}, rejected: []string{":2 user_id is empty"}},
		"an invalid time":             {in: "user,item,ts\nu,i,soon\nw,k,31536000\n", want: []string{"w/k/click@1971-01-01T00:00:00"}, rejected: []string{":2 the time \"soon\" is not a time"}},
		"a time before 1971":          {in: "user,item,ts\nu,i,1970-12-31\n" + "w,k,31536001\n", want: []string{"w/k/click@1971-01-01T00:00:01"}, rejected: []string{":2 the time is before 1971"}},
		"a time in the future":        {in: "user,item,ts\nu,i,2026-11-26T12:00:01Z\nw,k,2026-11-26T12:00:00Z\n", want: []string{"w/k/click@2026-11-26T12:00:00"}, rejected: []string{":2 the time is more than a day after"}},
		"NaN":                         {in: "user,item,value\nu,i,NaN\nu,j,inf\nu,k,x\nu,l,1\n", want: []string{"u/i/click" + now, "u/l/click/1" + now}, rejected: []string{":3 the value \"inf\" is not a finite", ":4 the value \"x\" is not a number"}},
		"bytes that are not UTF-8":    {in: "user,item\n\xff,i\nw,k\n", want: []string{"w/k/click" + now}, rejected: []string{":2 user_id is not valid UTF-8"}},
		"an unclosed quote rejects its line only": {
			in:       "user,item\n\"u,i\nv,j\nw,k\n",
			want:     []string{"v/j/click" + now, "w/k/click" + now},
			rejected: []string{":2 has a quote in column 1 that is not closed"}},
		"a quote closed by a later one rejects its line only": {
			in:       "user,item\n\"u,i\nv,j\n\"w\",k\nx,\"l\"\n",
			want:     []string{"v/j/click" + now, "w/k/click" + now, "x/l/click" + now},
			rejected: []string{":2 has text after the closing quote of column 1"}},
		"a quote closed by a stray one rejects its line only": {
			in:       "user,item\n\"u,i\nv,j\nw\",k\nx,l\n",
			want:     []string{"v/j/click" + now, "w\"/k/click" + now, "x/l/click" + now},
			rejected: []string{":2 has a line break in column 1"}},
		"text after a quote": {in: "user,item\n\"u\"x,i\nv,j\n", want: []string{"v/j/click" + now}, rejected: []string{":2 has text after the closing quote of column 1"}},
		"a line without an end": {in: "user,item\n" + strings.Repeat("x", 1<<20+2) + "\nv,j\n", want: []string{"v/j/click" + now},
			rejected: []string{":2 line is longer than 1 MiB"}},

		"JSON lines": {in: `{"event_id":"e1","user_id":"u","item_id":"i","event_type":"view","value":2,"session_id":"s","recommendation_id":"r","occurred_at":"2017-12-01T10:20:30.123456Z"}` + "\n",
			want: []string{"u/i/view/2@2017-12-01T10:20:30.123456"}},
		"JSON numbers as ids": {in: `{"userId":12345678901234567890,"movieId":7,"rating":4.5,"timestamp":964982703}` + "\n\n",
			want: []string{"12345678901234567890/7/rating/4.5@2000-07-30T18:45:03"}},
		"JSON keys that appear late": {in: strings.Repeat(`{"user_id":"u","item_id":"i"}`+"\n", 5000) + `{"user_id":"u","item_id":"late","value":3}`,
			want: append(repeat("u/i/click"+now, 5000), "u/late/click/3"+now)},
		"bad JSON": {in: "{\"user\":\"u\",\"item\":\"i\"}\n{\"user\":\"u\"\n[1]\nnull\n{\"user\":{},\"item\":\"i\"}\n{\"user\":[\"a\"],\"item\":\"i\"}\n{\"user\":\"v\",\"item\":null}\n{\"user\":\"w\",\"item\":\"k\"}",
			want: []string{"u/i/click" + now, "w/k/click" + now},
			rejected: []string{":2 is not a JSON object", ":3 is not a JSON object", ":4 is not a JSON object", ":5 the user is an object", ":6 the user is a list",
				":7 item_id is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for packed, body := range map[string][]byte{"": []byte(c.in), ".gz": gz(t, []byte(c.in)), ".zst": zst(t, []byte(c.in))} {
				o, m := options(t), newMemory()
				if c.options != nil {
					c.options(&o)
				}
				r, err := Import(t.Context(), m, []string{file(t, "in.txt"+packed, body)}, o)
				require.NoError(t, err)
				require.Equal(t, slices.Sorted(slices.Values(c.want)), slices.Sorted(slices.Values(short(m.events(t)))))
				require.EqualValues(t, len(c.want), r.Events)
				require.EqualValues(t, len(c.rejected), r.Rejected)
				require.Equal(t, r.Rows, r.Events+r.Rejected)
				for i, want := range c.rejected[:min(len(c.rejected), shownRejects)] {
					bad := r.Files[0].FirstRejects[i]
					place := bad.Place()
					require.True(t, strings.HasPrefix(place[strings.LastIndexByte(place, ':'):]+" "+bad.Reason, want), "%s %s", place, bad.Reason)
				}
			}
		})
	}
}

func repeat(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func TestImport_rejects_unreadable_files(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in      []byte
		options func(*Options)
		want    string
	}{
		"an empty file":        {in: nil, want: "is empty"},
		"blank lines only":     {in: []byte("\n\n"), want: "has no rows"},
		"a zip archive":        {in: []byte("PK\x03\x04xxxx"), want: "unpack it with unzip"},
		"Windows-1252":         {in: []byte("user,item,title\nu,i,Caf\xe9\n"), want: "it looks like Windows-1252 or Latin-1; read it with --encoding windows-1252"},
		"binary":               {in: []byte("user\x00\x00\x00,item\n"), want: "is binary"},
		"a spreadsheet":        {in: []byte("PK\x03\x04xxxx"), want: "is a zip archive or a spreadsheet"},
		"no user column":       {in: []byte("who,item\nu,i\n"), want: `no column looks like the user; the columns are "who", "item"; name it with --user-column`},
		"no item column":       {in: []byte("user,what\nu,i\n"), want: `no column looks like the item; the columns are "user", "what"; name it with --item-column`},
		"two user columns":     {in: []byte("customer_id,household_id,item\nu,h,i\n"), want: `the user could be any of the columns "customer_id", "household_id"; choose with --user-column`},
		"an item column twice": {in: []byte("user_id,item_id,item_id\nu,i,j\n"), want: `the item could be any of the columns "item_id", "item_id"; rename all but one`},
		"a named column twice": {in: []byte("user,who,who,item\nu,v,w,i\n"), options: func(o *Options) { o.Columns.User = "who" },
			want: `the user could be any of the columns "who", "who"; rename all but one`},
		"no header":                    {in: []byte("1,31,2.5,1260759144\n"), want: "the first line must be a header with column names"},
		"an event type of spaces":      {in: []byte("user,item\nu,i\n"), options: func(o *Options) { o.EventType = "  " }, want: "is empty or has leading or trailing spaces"},
		"two time columns":             {in: []byte("user,item,date,time\nu,i,d,t\n"), want: `choose with --time-column`},
		"a column that does not exist": {in: []byte("user,item\nu,i\n"), options: func(o *Options) { o.Columns.Time = "when" }, want: `there is no column "when" (--time-column); the columns are "user", "item"`},
		"a truncated gzip":             {in: gz(t, noise(t))[:3000], want: "the gzip stream ends too early; the file is truncated"},
		"a truncated zstd":             {in: zst(t, noise(t))[:3000], want: "the zstd stream ends too early; the file is truncated"},
		"a damaged gzip":               {in: damage(gz(t, noise(t))), want: "the gzip stream is damaged"},
		"JSON without an object":       {in: []byte("{\n"), want: "has no JSON object"},
		"truncated Parquet":            {in: []byte("PAR1xxxxxxxx"), want: "open Parquet"},
		"an unknown format":            {in: []byte("user,item\n"), options: func(o *Options) { o.Format = "xml" }, want: `format "xml" is unknown`},
		"a file as MovieLens":          {in: []byte("user,item\n"), options: func(o *Options) { o.Format = "movielens" }, want: "is a folder with ratings.csv and movies.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, m := options(t), newMemory()
			if c.options != nil {
				c.options(&o)
			}
			_, err := Import(t.Context(), m, []string{file(t, "in.txt", c.in)}, o)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, m.keys(interactionsPrefix), "wrote events of a rejected file")
		})
	}
}

// noise returns a CSV that compresses badly.
func noise(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	b.WriteString("user,item\n")
	for i := range 5000 {
		b.WriteString(recsys.RowEventID("noise", int64(i)) + ",i\n")
	}
	return []byte(b.String())
}

func damage(b []byte) []byte {
	for i := 1500; i < 1600; i++ {
		b[i] ^= 0x55
	}
	return b
}

func TestImport_names_the_line_of_a_truncated_stream(t *testing.T) {
	t.Parallel()
	_, err := Import(t.Context(), newMemory(), []string{file(t, "cut.csv.gz", gz(t, noise(t))[:50_000])}, options(t))
	require.Regexp(t, `cut\.csv\.gz:[1-9][0-9]{3}: the gzip stream ends too early`, err.Error())
}

func TestImport_reads_MovieLens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, body := range map[string]string{
		"movies.csv":  "movieId,title,genres\n1,\"American President, The (1995)\",Comedy|Drama\n2,Untitled,(no genres listed)\n",
		"ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n2,1,0.5,964982704\n",
		"tags.csv":    "userId,movieId,tag,timestamp\n1,1,good,964982703\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600))
	}
	m := newMemory()
	r, err := Import(t.Context(), m, []string{dir}, options(t))
	require.NoError(t, err)
	require.Equal(t, []string{"tags.csv: not used by the format movielens"}, r.Ignored)
	require.Equal(t, []string{"1/1/rating/4@2000-07-30T18:45:03", "2/1/rating/0.5@2000-07-30T18:45:04"}, short(m.events(t)))
	require.Equal(t, []itemRow{
		{ItemID: "1", Title: "American President, The (1995)", Category: "Comedy", Tags: []string{"Comedy", "Drama"}, Available: true},
		{ItemID: "2", Title: "Untitled", Available: true},
	}, m.items(t))
}

func TestImport_detects_a_catalog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want []itemRow
	}{
		"CSV": {"id,name,category,tags,in_stock\n1, A\tthing ,Things,a;b,false\n2,B,,,yes\n",
			[]itemRow{{ItemID: "1", Title: "A thing", Category: "Things", Tags: []string{"a", "b"}}, {ItemID: "2", Title: "B", Available: true}}},
		"JSON lines": {`{"item_id":"1","title":"A","tags":["x","y"],"available":false}` + "\n" + `{"item_id":"2","text":"words"}`,
			[]itemRow{{ItemID: "1", Title: "A", Tags: []string{"x", "y"}}, {ItemID: "2", Text: "words", Available: true}}},
		"the last of several rows": {"item_id,title\n1,old\n2,other\n1,new\n",
			[]itemRow{{ItemID: "2", Title: "other", Available: true}, {ItemID: "1", Title: "new", Available: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			r, err := Import(t.Context(), m, []string{file(t, "items", []byte(c.in))}, options(t))
			require.NoError(t, err)
			require.Equal(t, KindItems, r.Files[0].Kind)
			require.Equal(t, c.want, m.items(t))
			require.EqualValues(t, len(c.want), r.Items)
		})
	}
}

// An item that a version cannot store is rejected by the import, not by the load.
func TestImport_rejects_items_that_a_version_cannot_store(t *testing.T) {
	t.Parallel()
	var manyTags string
	for i := range recsys.MaxTags + 1 {
		manyTags += fmt.Sprintf("g%d|", i)
	}
	rows := []string{
		"a,fine,things,x|y",
		"b," + strings.Repeat("T", recsys.MaxTitleBytes) + "," + strings.Repeat("C", recsys.MaxCategoryBytes) + "," + strings.Repeat("g", recsys.MaxTagBytes),
		"c," + strings.Repeat("T", recsys.MaxTitleBytes+1) + ",,",
		"d,," + strings.Repeat("C", recsys.MaxCategoryBytes+1) + ",",
		"e,,," + strings.Repeat("g", recsys.MaxTagBytes+1) + "|x",
		"f,,," + manyTags,
		"g,a\x00b,,",
	}
	m := newMemory()
	r, err := Import(t.Context(), m, []string{file(t, "items.csv", []byte("item_id,title,category,tags\n"+strings.Repeat("filler,,,\n", 500)+strings.Join(rows, "\n")))}, options(t))
	require.NoError(t, err)
	var reasons []string
	for _, bad := range r.Files[0].FirstRejects {
		reasons = append(reasons, bad.Reason)
	}
	require.Equal(t, []string{
		"title is 16385 bytes long; at most 16384 are accepted",
		"category is 1025 bytes long; at most 1024 are accepted",
		"tag is 1025 bytes long; at most 1024 are accepted",
		"item has 1025 tags; at most 1024 are accepted",
	}, reasons)
	items := m.items(t)
	require.Len(t, items, 4)
	require.Equal(t, itemRow{ItemID: "g", Title: "a b", Available: true}, items[3])
}

// In the contract, an absent availability means true.
func TestImport_writes_an_availability_of_false(t *testing.T) {
	t.Parallel()
	m := newMemory()
	_, err := Import(t.Context(), m, []string{file(t, "items.csv", []byte("item_id,title,available\n1,a,false\n2,b,\n"))}, options(t))
	require.NoError(t, err)
	type row struct {
		Available *bool `parquet:"available,optional"`
	}
	body := m.objects[m.keys(itemsPrefix)[0]]
	read, err := parquet.Read[row](bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.False(t, *read[0].Available)
	require.True(t, *read[1].Available)
}

func TestImport_reads_standard_input(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory()
	o.Stdin = strings.NewReader("user,item\nu,i\n")
	r, err := Import(t.Context(), m, []string{"-"}, o)
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Events)
	path := file(t, "same.csv", []byte("user,item\nu,i\n"))
	again, err := Import(t.Context(), m, []string{path}, options(t))
	require.NoError(t, err)
	require.Zero(t, again.Files[0].Objects.Written, "the same bytes under another name are the same file")
}

func TestImport_writes_nothing_in_a_dry_run(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.DryRun = true
	r, err := Import(t.Context(), nil, []string{file(t, "in.csv", []byte("user,item,ts\nu,i,2017-12-01\nu,i,never\n"))}, o)
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Events)
	require.EqualValues(t, 1, r.Rejected)
	require.Equal(t, map[string]string{"user": "user", "item": "item", "time": "ts"}, r.Files[0].Columns)
	require.Len(t, r.Files[0].SampleEvents, 1)
	require.NoDirExists(t, o.RejectsDir)
}

func TestImport_writes_rejected_rows_to_a_file(t *testing.T) {
	t.Parallel()
	o, m := options(t), newMemory()
	r, err := Import(t.Context(), m, []string{file(t, "in.csv", []byte("user,item\n,1\nu,i\n,2\n"))}, o)
	require.NoError(t, err)
	kept, err := os.ReadFile(r.Rejects)
	require.NoError(t, err)
	require.Equal(t, 2, bytes.Count(kept, []byte("\n")))
	require.Contains(t, string(kept), `"line":4,"row":3,"reason":"user_id is empty","text":",2"}`)
	st, err := os.Stat(r.Rejects)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
}

func TestImport_fails_past_max_rejects_and_imports_the_rest(t *testing.T) {
	t.Parallel()
	body := []byte("user,item\n,1\nu,i\n,2\n")
	for _, c := range []struct {
		limit int64
		fails bool
	}{{-1, true}, {2, false}, {1, true}, {0, true}} {
		o, m := options(t), newMemory()
		o.MaxRejects = c.limit
		r, err := Import(t.Context(), m, []string{file(t, "in.csv", body)}, o)
		var many TooManyRejects
		require.Equal(t, c.fails, errors.As(err, &many), "limit %d", c.limit)
		require.EqualValues(t, 1, r.Events)
		require.Len(t, m.events(t), 1)
	}
	_, err := Import(t.Context(), newMemory(), []string{file(t, "in.csv", []byte("user,item\n,1\n"))}, options(t))
	require.EqualError(t, err, "none of the 1 rows could be imported; see the reasons given for them", "a file without any importable row is an error")
}

func TestImport_can_be_repeated_after_an_interruption(t *testing.T) {
	t.Parallel()
	path := file(t, "in.csv", days(20))
	m := newMemory()
	broken := errors.New("bucket unavailable")
	faults := harnesstest.CountFaults(t)
	m.fail = func(string) error {
		if m.puts == 7 {
			faults.Inject("bucket unavailable")
			return broken
		}
		return nil
	}
	_, err := Import(t.Context(), m, []string{path}, options(t))
	require.ErrorIs(t, err, broken)
	m.fail = nil
	later := options(t)
	later.Now = func() time.Time { return today.Add(time.Hour) }
	r, err := Import(t.Context(), m, []string{path}, later)
	require.NoError(t, err)
	require.GreaterOrEqual(t, r.Files[0].Objects.Unchanged, 1)
	whole := newMemory()
	_, err = Import(t.Context(), whole, []string{path}, options(t))
	require.NoError(t, err)
	require.Equal(t, whole.keys(""), m.keys(""))
	for _, k := range whole.keys("") {
		require.Equal(t, string(whole.objects[k]), string(m.objects[k]), k)
	}
}
