package importer

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/recsys"
)

// For any ids, values and times, the rows of a CSV that Go's writer makes are
// read back from the Parquet objects unchanged.
func TestImport_round_trips_rows_from_CSV_to_Parquet(t *testing.T) {
	t.Parallel()
	id := rapid.StringMatching(`[!-~äß€😀]|[!-~äß€😀][ -~äß€😀]{0,18}[!-[\]-~äß€😀]`) // no padding, and not \N
	rapid.Check(t, func(rt *rapid.T) {
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.UseCRLF = rapid.Bool().Draw(rt, "crlf")
		require.NoError(rt, w.Write([]string{"note", "user_id", "item_id", "event_type", "value", "occurred_at", "event_id"}))
		var want []recsys.Event
		for i := range rapid.IntRange(1, 20).Draw(rt, "rows") {
			e := recsys.Event{
				EventID: fmt.Sprintf("e%d", i), UserID: id.Draw(rt, "user"), ItemID: id.Draw(rt, "item"),
				EventType:  rapid.SampledFrom([]string{"click", "view", "a type"}).Draw(rt, "type"),
				OccurredAt: time.UnixMicro(rapid.Int64Range(recsys.EarliestEvent.UnixMicro(), today.UnixMicro()).Draw(rt, "at")).UTC(),
			}
			value := ""
			if rapid.Bool().Draw(rt, "valued") {
				v := rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(rt, "value")
				e.Value = &v
				value = strconv.FormatFloat(v, 'g', -1, 64)
			}
			note := rapid.StringMatching(`[a-z,"\n ]{0,10}`).Draw(rt, "note")
			require.NoError(rt, w.Write([]string{note, e.UserID, e.ItemID, e.EventType, value, e.OccurredAt.Format(time.RFC3339Nano), e.EventID}))
			want = append(want, e)
		}
		w.Flush()

		m, o := newMemory(), Options{TempDir: t.TempDir(), RejectsDir: t.TempDir(), Now: func() time.Time { return today }, SpillBytes: 300, MaxRejects: 0}
		_, err := Import(t.Context(), m, []string{file(t, "in.csv", text.Bytes())}, o)
		require.NoError(rt, err, text.String())
		got := m.events(t)
		slices.SortFunc(got, byID)
		slices.SortFunc(want, byID)
		require.Equal(rt, want, got)
	})
}

func byID(a, b recsys.Event) int { return strings.Compare(a.EventID, b.EventID) }

func TestImport_reads_Parquet_columns_of_any_type(t *testing.T) {
	t.Parallel()
	type row struct {
		User  int64     `parquet:"customer_id"`
		Item  *float64  `parquet:"product_id,optional"`
		Price float32   `parquet:"value"`
		At    time.Time `parquet:"ts,timestamp(nanosecond)"`
		Kind  string    `parquet:"event_type,dict"`
		Other []string  `parquet:"other,list"`
	}
	item := 7.0
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, []row{
		{User: 12345678901234567, Item: &item, Price: 1.5, At: today.Add(-time.Hour), Kind: "purchase", Other: []string{"a", "b"}},
		{User: 2, Price: float32(math.NaN()), At: today, Kind: "view"},
		{User: 3, Item: &item, At: today, Kind: "view"},
	}))
	m := newMemory()
	r, err := Import(t.Context(), m, []string{file(t, "in", b.Bytes())}, options(t))
	require.NoError(t, err)
	require.Equal(t, []string{"12345678901234567/7/purchase/1.5@2026-11-25T11:00:00", "3/7/view/0@2026-11-25T12:00:00"}, short(m.events(t)))
	require.Equal(t, "row 2", strings.TrimSpace(strings.SplitN(r.Files[0].FirstRejects[0].Place(), ":", 2)[1]))
}

// Truncated and damaged Parquet results in an error or in fewer rows, never
// in a panic.
func TestImport_survives_damaged_Parquet(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	var rows []eventRow
	for i := range 3000 {
		rows = append(rows, eventRow{EventID: fmt.Sprint(i), UserID: fmt.Sprint(i % 17), ItemID: fmt.Sprint(i % 91), EventType: "view", OccurredAt: int64(i) * 1e6})
	}
	require.NoError(t, parquet.Write(&b, rows))
	good := b.Bytes()
	path := file(t, "in", nil)
	for i := range 150 {
		bad := bytes.Clone(good)
		at := i * (len(good) - 1) / 149
		bad[at] ^= 1 << (i % 8)
		if i%5 == 0 {
			bad = good[:at]
		}
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		o := options(t)
		o.DryRun = true
		_, _ = Import(t.Context(), nil, []string{path}, o)
	}
}

// generator generates a CSV of n rows without storing it.
type generator struct {
	n, row int
	left   []byte
}

func (g *generator) Read(p []byte) (int, error) {
	for len(g.left) < len(p) && g.row <= g.n {
		if g.row == 0 {
			g.left = append(g.left, "user_id,item_id,rating,timestamp\n"...)
		} else {
			x := uint64(g.row) * 0x9e3779b97f4a7c15
			g.left = fmt.Appendf(g.left, "%0200d,%0200d,%d.5,%d\n", x%100_003, x>>20%50_021, x%5, 1_500_000_000+x>>30%(400*86400))
		}
		g.row++
	}
	n := copy(p, g.left)
	g.left = g.left[:copy(g.left, g.left[n:])]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Rows of 400 days in random order (130 MB) need no more memory than the
// budgets of the spill and of the writers, for any number of rows:
// RECFLOW_TEST_ROWS sets it.
func TestImport_uses_bounded_memory(t *testing.T) {
	rows := 300_000
	if n, err := strconv.Atoi(os.Getenv("RECFLOW_TEST_ROWS")); err == nil {
		rows = n
	}
	var peak atomic.Uint64
	m := newMemory()
	m.drop = true
	o := options(t)
	o.Stdin = &generator{n: rows}
	o.SpillBytes = 4 << 20
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	calls := 0
	o.Progress = func(Progress) {
		if calls++; calls%50 == 0 {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			peak.Store(max(peak.Load(), now.HeapAlloc))
		}
	}
	started := time.Now()
	r, err := Import(t.Context(), m, []string{"-"}, o)
	require.NoError(t, err)
	require.EqualValues(t, rows, r.Events)
	grown := int64(peak.Load()) - int64(before.HeapAlloc)
	t.Logf("%d rows in %s; heap grew by at most %d MB; %d objects", rows, time.Since(started).Round(time.Millisecond), grown>>20, r.Files[0].Objects.Written)
	require.Less(t, grown, int64(160<<20))
}

func TestImport_writes_every_column_in_every_row_group(t *testing.T) {
	t.Parallel()
	enc := newEncoder[eventRow]()
	for range 2 {
		for i := range groupRows + 1 {
			require.NoError(t, enc.add(eventRow{EventID: "e", UserID: "u", ItemID: "i", EventType: "t", OccurredAt: int64(i)}))
		}
		body, err := enc.finish()
		require.NoError(t, err)
		f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		require.Len(t, f.RowGroups(), 2)
		for _, g := range f.Metadata().RowGroups {
			for i, c := range g.Columns {
				require.Equal(t, f.Root().Columns()[i].Name(), strings.Join(c.MetaData.PathInSchema, "."))
			}
		}
		enc.reset()
	}
}

// FuzzCSV reads arbitrary text: nothing panics, and every row is accepted or
// rejected.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{
		"user,item\nu,i\n", "user,item\n\"u,i\nv,j\n", "user,item,ts\r\n\"a\r\nb\",i,1\r\n", "user;item\n\"\"\"\";x", "\n\nuser,item\n,,\n\"\"x\"\n",
		`{"user":"u","item":"i"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o := Options{TempDir: t.TempDir(), RejectsDir: t.TempDir(), MaxRejects: math.MaxInt64, Now: func() time.Time { return today }}
		m := newMemory()
		r, err := Import(t.Context(), m, []string{file(t, "in", body)}, o)
		if err != nil {
			return
		}
		require.Equal(t, r.Rows, r.Events+r.Items+r.Rejected+replaced(r))
		for _, e := range m.events(t) {
			require.NoError(t, e.Check())
		}
	})
}

func replaced(r Result) (n int64) {
	for _, f := range r.Files {
		n += f.Replaced
	}
	return n
}
