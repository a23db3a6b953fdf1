package rawdata

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/safeparquet/safeparquettest"
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

func at(day int) time.Time { return time.Date(2025, 1, day, 0, 0, 0, 0, time.UTC) }

func TestMeasure_counts_the_input_of_trainings(t *testing.T) {
	t.Parallel()
	s3 := awstest.S3(t)
	put := func(key string, content []byte) {
		t.Helper()
		require.NoError(t, s3.Put(t.Context(), key, bytes.NewReader(content)))
	}
	for day, rows := range []int{10, 20, 40} {
		put(fmt.Sprintf("raw/interactions/dt=2025-01-%02d/part-0.parquet", 1+day), rowsFile(t, rows))
	}
	put("raw/interactions/dt=2025-01-01/_SUCCESS", nil)
	measure := func() []Size {
		t.Helper()
		plan, err := Measure(t.Context(), s3, []Range{{To: at(1)}, {To: at(2)}, {To: at(4)}, {From: at(2), To: at(3)}})
		require.NoError(t, err)
		return plan.Sizes
	}
	rows := func(sizes []Size) (n []int64) {
		for _, s := range sizes {
			n = append(n, s.Rows)
		}
		return n
	}
	require.Equal(t, []int64{0, 10, 70, 20}, rows(measure()))
	require.Equal(t, []any{3, false}, []any{measure()[2].Files, measure()[2].Estimated})

	put("raw/events/dt=2025-01-05/hour=00/a.gz", zipped(t, strings.Repeat("{}\n", 1000)))
	put("raw/events/dt=2025-01-05/hour=00/b.gz", zipped(t, "{}\n{}"))
	require.Equal(t, []int64{1002, 1012, 1072, 1022}, rows(measure()), "each of them reads all delivered events")
	require.False(t, measure()[0].Estimated)

	put("raw/events/dt=2025-01-05/hour=00/broken.gz", make([]byte, 900))
	require.Equal(t, []any{3, 1, true}, []any{measure()[0].Files, measure()[0].Unreadable, measure()[0].Estimated})
	require.Greater(t, measure()[0].Rows, int64(1002))
	put("raw/interactions/dt=2025-01-04/part-0.parquet", []byte("PAR1 broken"))
	require.Equal(t, 6, measure()[2].Files, "the fourth day is after its end")
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	s3 := awstest.S3(t)
	put := func(key, content string) {
		t.Helper()
		require.NoError(t, s3.Put(t.Context(), key, strings.NewReader(content)))
	}
	empty := func(r Range) bool {
		t.Helper()
		is, err := Empty(t.Context(), s3, r)
		require.NoError(t, err)
		return is
	}
	require.True(t, empty(Range{To: at(9)}), "an empty bucket")
	put("raw/interactions/dt=2025-01-02/_SUCCESS", "")
	require.True(t, empty(Range{To: at(9)}), "a marker has no events")
	put("raw/interactions/dt=2025-01-02/part-0.parquet", "PAR1 and no more")
	require.True(t, empty(Range{To: at(2)}), "its end is exclusive")
	require.True(t, empty(Range{From: at(3), To: at(9)}))
	require.False(t, empty(Range{To: at(3)}), "a damaged file may hold events")
	require.False(t, empty(Range{From: at(2).Add(time.Hour), To: at(9)}), "a part of its day")
	put("raw/events/dt=2025-01-05/hour=00/broken.gz", "")
	require.False(t, empty(Range{To: at(1)}), "the key of a delivered object does not contain the time of its events")
}

// planned returns the plan of one training on all imported events.
func planned(t *testing.T, files map[string][]byte) Plan {
	t.Helper()
	s3 := awstest.S3(t)
	for key, content := range files {
		require.NoError(t, s3.Put(t.Context(), "raw/interactions/"+key, bytes.NewReader(content)))
	}
	plan, err := Measure(t.Context(), s3, []Range{{To: at(4)}})
	require.NoError(t, err)
	return plan
}

func rowsFile(t *testing.T, rows int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, make([]struct{ N int64 }, rows), options...))
	return b.Bytes()
}

func TestMeasure_counts_rows_by_a_footer_of_any_length(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i, length := range []int{0, footerTail - 400, footerTail, 3 * footerTail, 5 << 20} {
		files[fmt.Sprintf("dt=2025-01-01/part-%d.parquet", i)] = rowsFile(t, 10, parquet.KeyValueMetadata("pandas", strings.Repeat("x", length)))
	}
	out := planned(t, files)
	require.Empty(t, out.Unreadable)
	require.Equal(t, []any{5, int64(50), false}, []any{out.Sizes[0].Files, out.Sizes[0].Rows, out.Sizes[0].Estimated})
}

func TestMeasure_names_unreadable_files(t *testing.T) {
	t.Parallel()
	good := rowsFile(t, 1000)
	out := planned(t, map[string][]byte{
		"dt=2025-01-01/good.parquet":  good,
		"dt=2025-01-02/cut.parquet":   good[:len(good)-1],
		"dt=2025-01-03/empty.parquet": nil,
		"dt=2025-01-04/later.parquet": []byte("without a range"),
	})
	require.Equal(t, []File{
		{Key: "raw/interactions/dt=2025-01-02/cut.parquet", Reason: "it is not a Parquet file, or it is encrypted"},
		{Key: "raw/interactions/dt=2025-01-03/empty.parquet", Reason: "0 bytes are too few for a Parquet file"},
	}, out.Unreadable)
	require.Zero(t, out.UnreadableMore)
	s := out.Sizes[0]
	require.Equal(t, []any{3, 2, true}, []any{s.Files, s.Unreadable, s.Estimated})
	require.InDelta(t, 2000, s.Rows, 10, "the truncated file counts as many rows as the other")
}

func TestMeasure_survives_crafted_footers(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for name, content := range safeparquettest.CraftedFooters() {
		files["dt=2025-01-01/"+name+".parquet"] = content
	}
	out := planned(t, files)
	require.Len(t, out.Unreadable, len(files))
	for _, f := range out.Unreadable {
		require.Contains(t, f.Reason, "malformed")
	}
	require.Equal(t, []any{len(files), int64(0), true}, []any{out.Sizes[0].Unreadable, out.Sizes[0].Rows, out.Sizes[0].Estimated})
}

func TestMeasure_stays_small_when_everything_is_damaged(t *testing.T) {
	t.Parallel()
	files := map[string][]byte{}
	for i := range MaxNamed + 7 {
		files[fmt.Sprintf("dt=2025-01-0%d/part-%02d.parquet", 1+i%3, i)] = []byte("not Parquet at all")
	}
	out := planned(t, files)
	require.Len(t, out.Unreadable, MaxNamed)
	require.Equal(t, 7, out.UnreadableMore)
	require.Equal(t, len(files), out.Sizes[0].Unreadable)
}

func TestEstimate_uses_the_most_similar_run(t *testing.T) {
	t.Parallel()
	past := []PastRun{{Rows: 1000, Minutes: 3}, {Rows: 100_000, Minutes: 30}}
	require.Zero(t, Estimate(nil, 1000))
	require.InDelta(t, 3, Estimate(past, 900), 1e-9, "never shorter than that run")
	require.InDelta(t, 60, Estimate(past, 200_000), 1e-9)
}
