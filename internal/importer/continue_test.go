package importer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/importer/report"
	"github.com/recflow/recflow/internal/recsys"
)

// orders returns a CSV of the first n orders of a log.
func orders(n int) string {
	var b strings.Builder
	b.WriteString("user_id,item_id,event_type,timestamp\n")
	for i := range n {
		fmt.Fprintf(&b, "u%d,tea-%d,purchase,%s\n", i%7, i, time.Date(2026, 1, 1, i, 0, 0, 0, time.UTC).Format(time.RFC3339))
	}
	return b.String()
}

// A log that is exported whole every night counts every event once, in whatever
// format the file is.
func TestImport_counts_a_growing_log_once(t *testing.T) {
	t.Parallel()
	asParquet := func(n int) []byte {
		type row struct {
			UserID    string `parquet:"user_id"`
			ItemID    string `parquet:"item_id"`
			EventType string `parquet:"event_type"`
			Timestamp string `parquet:"timestamp"`
		}
		var rows []row
		for _, line := range strings.Split(strings.TrimSpace(orders(n)), "\n")[1:] {
			f := strings.Split(line, ",")
			rows = append(rows, row{f[0], f[1], f[2], f[3]})
		}
		var b strings.Builder
		require.NoError(t, parquet.Write(&b, rows))
		return []byte(b.String())
	}
	for name, later := range map[string][]byte{
		"the same format": []byte(orders(25)),
		"CRLF":            []byte(strings.ReplaceAll(orders(25), "\n", "\r\n")),
		"compressed":      gz(t, []byte(orders(25))),
		"quoted":          []byte(strings.ReplaceAll(orders(25), "purchase", `"purchase"`)),
		"another column":  []byte(strings.ReplaceAll(strings.Replace(orders(25), "timestamp\n", "timestamp,price\n", 1), "Z\n", "Z,3\n")),
		"Parquet":         asParquet(25),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			for i, body := range [][]byte{[]byte(orders(10)), []byte(orders(18)), later} {
				path := file(t, "in", body)
				r, err := Import(t.Context(), m, []string{path}, options(t))
				require.NoError(t, err)
				require.EqualValues(t, []int64{10, 8, 7}[i], r.Events)
				require.EqualValues(t, []int64{0, 10, 18}[i], r.Files[0].Continued)

				before := len(m.objects)
				again, err := Import(t.Context(), m, []string{path}, options(t))
				require.NoError(t, err)
				require.Equal(t, r.Events, again.Events)
				require.Zero(t, again.Files[0].Objects.Written, "importing the file again changes nothing")
				require.Len(t, m.objects, before)

				sent, refused := readEvents(t, m, path, options(t))
				require.Empty(t, refused)
				var all []recsys.Event
				for _, e := range sent {
					all = append(all, e.Event)
				}
				require.ElementsMatch(t, m.events(t), all, "events that are sent have the ids of the import")
			}
			require.Len(t, m.events(t), 25)
		})
	}
}

// Logs are the same only if all rows are: a file that differs is another one.
func TestImport_counts_a_different_log_in_full(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, second string }{
		"another row":                                          {orders(10), strings.Replace(orders(12), "tea-5", "tea-50", 1)},
		"a shorter log that differs":                           {orders(10), strings.Replace(orders(8), "tea-5", "tea-50", 1)},
		"a shorter log that differs in its last row":           {orders(10), strings.Replace(orders(8), "tea-7", "tea-70", 1)},
		"few rows without a time that another log begins with": {"user,item\nu,i\nv,j\nw,k\n", "user,item\nu,i\nv,j\n"},
		"few rows without a time":                              {"user,item\nu,i\nv,j\n", "user,item\nu,i\nv,j\nw,k\n"},
		"a different set of users":                             {orders(10), strings.ReplaceAll(orders(12), "\nu", "\nv")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			_, err := Import(t.Context(), m, []string{file(t, "a.csv", []byte(c.first))}, options(t))
			require.NoError(t, err)
			r, err := Import(t.Context(), m, []string{file(t, "b.csv", []byte(c.second))}, options(t))
			require.NoError(t, err)
			require.Zero(t, r.Files[0].Continued)
			require.EqualValues(t, strings.Count(c.second, "\n")-1, r.Events)
		})
	}
}

// An older export of a log, imported after a newer one, adds nothing.
func TestImport_counts_the_beginning_of_a_log_once(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before  []int // rows of the earlier imports
		rows    int
		written bool // its last rows, under the event ids of the earlier import
	}{
		"of few rows":                   {[]int{25}, 18, false},
		"of one row":                    {[]int{25}, 1, false},
		"of a log that continues":       {[]int{10, 25}, 18, false},
		"as long as a part of it":       {[]int{10, 25}, 10, false},
		"that ends before a part":       {[]int{18, 25}, 10, false},
		"that ends between checkpoints": {[]int{3000}, 2998, true},
		"that ends at a checkpoint":     {[]int{3000}, 2996, false},
		"after another beginning":       {[]int{25, 18}, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			newest := 0
			for _, n := range c.before {
				newest = max(newest, n)
				_, err := Import(t.Context(), m, []string{file(t, fmt.Sprintf("%d.csv", n), []byte(orders(n)))}, options(t))
				require.NoError(t, err)
			}
			path := file(t, "older.csv", []byte(strings.ReplaceAll(orders(c.rows), "\n", "\r\n")))
			for range 2 {
				r, err := Import(t.Context(), m, []string{path}, options(t))
				require.NoError(t, err)
				require.Zero(t, r.Events)
				require.EqualValues(t, c.rows, r.Files[0].Continued)
				require.Contains(t, r.Files[0].Continues, "count once")
				require.Len(t, distinct(m.events(t)), newest, "readers count an event id once")
				var written bool
				for key := range m.objects {
					written = written || strings.Contains(key, "/"+r.Files[0].SHA256[:16]+"-")
				}
				require.Equal(t, c.written, written)
			}
			sent, _ := readEvents(t, m, path, options(t))
			require.Len(t, sent, c.rows)
			all := m.events(t)
			for _, e := range sent {
				all = append(all, e.Event)
			}
			require.Len(t, distinct(all), newest)
			// The next export continues all of them.
			r, err := Import(t.Context(), m, []string{file(t, "next.csv", []byte(orders(newest+5)))}, options(t))
			require.NoError(t, err)
			require.EqualValues(t, 5, r.Events)
			require.Len(t, distinct(m.events(t)), newest+5)
		})
	}
}

// distinct returns the events that differ in anything.
func distinct(events []recsys.Event) map[string]bool {
	all := map[string]bool{}
	for _, e := range events {
		all[fmt.Sprint(e)] = true
	}
	return all
}

func TestImport_names_an_earlier_file_that_ended_inside_a_row(t *testing.T) {
	t.Parallel()
	m := newMemory()
	cut := strings.TrimSuffix(orders(10), "Z\n")
	cut = cut[:len(cut)-3] // 09:00, not 09:00:00
	_, err := Import(t.Context(), m, []string{file(t, "monday.csv", []byte(cut[:len(cut)-6]))}, options(t))
	require.NoError(t, err)
	r, err := Import(t.Context(), m, []string{file(t, "tuesday.csv", []byte(orders(12)))}, options(t))
	require.NoError(t, err)
	require.EqualValues(t, 9, r.Files[0].Continued)
	require.EqualValues(t, 3, r.Events)
	require.Equal(t, report.CutImport, r.Files[0].Report.Warnings[0].Code)
	require.Contains(t, r.Files[0].Report.Warnings[0].Message, "the earlier import of monday.csv ended inside a row")
}

func TestImport_derives_ids_from_the_content_on_request(t *testing.T) {
	t.Parallel()
	m, o := newMemory(), options(t)
	o.IDs = ContentIDs
	head, rows, _ := strings.Cut(orders(20), "\n")
	lines := strings.SplitAfter(rows, "\n")
	part := func(from, to int) string {
		return file(t, "part.csv", []byte(head+"\n"+strings.Join(lines[from:to], "")))
	}
	r, err := Import(t.Context(), m, []string{part(0, 12), part(8, 20), part(3, 15)}, o)
	require.NoError(t, err)
	require.EqualValues(t, 36, r.Events)
	require.Len(t, m.events(t), 20, "overlapping exports count once")

	sent, _ := readEvents(t, m, part(5, 6), o)
	require.Contains(t, m.events(t), sent[0].Event)
}
