package activities

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
	"github.com/recflow/recflow/internal/vectorstore"
)

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestPlanSlices_counts_what_the_trainings_would_read(t *testing.T) {
	t.Parallel()
	a, _, env := setup(t, gluetest.Options{})
	put := func(key string, content []byte) {
		require.NoError(t, a.S3.Put(t.Context(), key, bytes.NewReader(content)))
	}
	type row struct {
		User string `parquet:"user_id"`
	}
	for day, rows := range []int{10, 20, 40} {
		var b bytes.Buffer
		require.NoError(t, parquet.Write(&b, make([]row, rows)))
		put(fmt.Sprintf("raw/interactions/dt=2025-01-%02d/part-0.parquet", 1+day), b.Bytes())
	}
	put("raw/interactions/dt=2025-01-01/_SUCCESS", nil)
	at := func(day int) time.Time { return time.Date(2025, 1, day, 0, 0, 0, 0, time.UTC) }
	plan := func() (sizes []SliceSize) {
		t.Helper()
		value, err := env.ExecuteActivity(a.PlanSlices, PlanSlicesInput{Ranges: []Range{{To: at(1)}, {To: at(2)}, {To: at(4)}, {From: at(2), To: at(3)}}})
		require.NoError(t, err)
		var out PlanSlicesResult
		require.NoError(t, value.Get(&out))
		return out.Slices
	}
	rows := func(sizes []SliceSize) (n []int64) {
		for _, s := range sizes {
			n = append(n, s.Rows)
		}
		return n
	}
	require.Equal(t, []int64{0, 10, 70, 20}, rows(plan()))
	require.Equal(t, []any{3, false, 0.0}, []any{plan()[2].Files, plan()[2].Guessed, plan()[2].Minutes})

	put("raw/events/dt=2025-01-05/hour=00/a.gz", zipped(t, strings.Repeat("{}\n", 1000)))
	put("raw/events/dt=2025-01-05/hour=00/b.gz", zipped(t, "{}\n{}"))
	require.Equal(t, []int64{1002, 1012, 1072, 1022}, rows(plan()), "what was delivered is read by each of them")
	require.False(t, plan()[0].Guessed)

	put("raw/events/dt=2025-01-05/hour=00/broken.gz", make([]byte, 900))
	require.True(t, plan()[0].Guessed)
	require.Greater(t, plan()[0].Rows, int64(1002))
	put("raw/interactions/dt=2025-01-04/part-0.parquet", []byte("PAR1 broken"))
	require.Equal(t, 6, plan()[2].Files, "the fourth day is beyond its end")
}

// planned is a plan of one training on all that was imported.
func planned(t *testing.T, files map[string][]byte) PlanSlicesResult {
	t.Helper()
	a, _, env := setup(t, gluetest.Options{})
	for key, content := range files {
		require.NoError(t, a.S3.Put(t.Context(), "raw/interactions/"+key, bytes.NewReader(content)))
	}
	value, err := env.ExecuteActivity(a.PlanSlices, PlanSlicesInput{Ranges: []Range{{To: time.Date(2025, 1, 4, 0, 0, 0, 0, time.UTC)}}})
	require.NoError(t, err)
	var out PlanSlicesResult
	require.NoError(t, value.Get(&out))
	return out
}

func rowsFile(t *testing.T, rows int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, make([]struct{ N int64 }, rows), options...))
	return b.Bytes()
}

func TestPlanSlices_counts_rows_by_a_footer_of_any_length(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i, length := range []int{0, footerTail - 400, footerTail, 3 * footerTail, 5 << 20} {
		files[fmt.Sprintf("dt=2025-01-01/part-%d.parquet", i)] = rowsFile(t, 10, parquet.KeyValueMetadata("pandas", strings.Repeat("x", length)))
	}
	out := planned(t, files)
	require.Empty(t, out.Unreadable)
	require.Equal(t, []any{5, int64(50), false}, []any{out.Slices[0].Files, out.Slices[0].Rows, out.Slices[0].Guessed})
}

func TestPlanSlices_names_what_it_cannot_read(t *testing.T) {
	t.Parallel()
	good := rowsFile(t, 1000)
	out := planned(t, map[string][]byte{
		"dt=2025-01-01/good.parquet":  good,
		"dt=2025-01-02/cut.parquet":   good[:len(good)-1],
		"dt=2025-01-03/empty.parquet": nil,
		"dt=2025-01-04/later.parquet": []byte("of no range"),
	})
	require.Equal(t, []UnreadableFile{
		{Key: "raw/interactions/dt=2025-01-02/cut.parquet", Reason: "it does not begin and end as a Parquet file, or is encrypted"},
		{Key: "raw/interactions/dt=2025-01-03/empty.parquet", Reason: "0 bytes are too few for a Parquet file"},
	}, out.Unreadable)
	require.Zero(t, out.UnreadableMore)
	s := out.Slices[0]
	require.Equal(t, []any{3, 2, true}, []any{s.Files, s.Unreadable, s.Guessed})
	require.InDelta(t, 2000, s.Rows, 10, "the cut file holds about as many as the other")
}

func TestPlanSlices_survives_crafted_footers(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for name, content := range trainingruntest.CraftedFooters() {
		files["dt=2025-01-01/"+name+".parquet"] = content
	}
	out := planned(t, files)
	require.Len(t, out.Unreadable, len(files))
	for _, f := range out.Unreadable {
		require.Contains(t, f.Reason, "malformed")
	}
	require.Equal(t, []any{len(files), int64(0), true}, []any{out.Slices[0].Unreadable, out.Slices[0].Rows, out.Slices[0].Guessed})
}

func TestPlanSlices_stays_small_when_everything_is_damaged(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i := range mostUnreadable + 7 {
		files[fmt.Sprintf("dt=2025-01-0%d/part-%02d.parquet", 1+i%3, i)] = []byte("no Parquet at all")
	}
	out := planned(t, files)
	require.Len(t, out.Unreadable, mostUnreadable)
	require.Equal(t, 7, out.UnreadableMore)
	require.Equal(t, len(files), out.Slices[0].Unreadable)
}

func TestEstimate_follows_the_run_most_like_it(t *testing.T) {
	t.Parallel()
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	past := []vectorstore.PastRun{
		{Rows: 1000, StoredTo: start, ReadyAt: start.Add(4 * time.Minute)},
		{Rows: 100_000, StoredTo: start, ReadyAt: start.Add(31 * time.Minute)},
	}
	require.Zero(t, estimate(nil, 0, 1000))
	require.InDelta(t, 3, estimate(past, time.Minute, 900), 1e-9, "never shorter than the one")
	require.InDelta(t, 60, estimate(past, time.Minute, 200_000), 1e-9)
}
