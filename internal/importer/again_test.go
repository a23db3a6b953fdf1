package importer

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
)

// days returns a CSV with an event every six hours, in random order.
func days(n int) []byte {
	var b strings.Builder
	b.WriteString("user,item,ts\n")
	for i := range 4 * n {
		hour := (i * 7 % (4 * n)) * 6
		fmt.Fprintf(&b, "u%d,i,%s\n", i, time.Date(2017, 12, 1, hour, 0, 0, 0, time.UTC).Format(time.RFC3339))
	}
	return []byte(b.String())
}

func TestImport_is_idempotent(t *testing.T) {
	t.Parallel()
	for name, body := range map[string][]byte{
		"events":                days(30),
		"events without a time": []byte("user,item\nu,i\nv,j\n"),
		"items":                 []byte("item_id,title\n1,a\n2,b\n1,c\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			path := file(t, "in.csv", body)
			_, err := Import(t.Context(), m, []string{path}, options(t))
			require.NoError(t, err)
			before, puts := maps.Clone(m.objects), m.puts

			later := options(t)
			later.Now = func() time.Time { return today.AddDate(0, 0, 3) }
			later.SpillBytes = 1000 // other batch sizes give the same bytes
			later.Parallel = 1
			r, err := Import(t.Context(), m, []string{path}, later)
			require.NoError(t, err)
			require.Equal(t, before, m.objects)
			require.Equal(t, puts, m.puts, "writes existing objects again")
			require.Zero(t, r.Files[0].Objects.Written)
			require.Equal(t, today, r.Files[0].FirstImportedAt)
		})
	}
}

func TestConcurrent_first_imports_agree_on_the_time(t *testing.T) {
	t.Parallel()
	m := newMemory()
	path := file(t, "in.csv", []byte("user,item\nu,i\n"))
	var both sync.WaitGroup
	for i := range 8 {
		both.Go(func() {
			o := options(t)
			o.Now = func() time.Time { return today.Add(time.Duration(i) * 24 * time.Hour) }
			_, err := Import(t.Context(), m, []string{path}, o)
			require.NoError(t, err)
		})
	}
	both.Wait()
	require.Len(t, m.keys(interactionsPrefix), 1)
	require.Len(t, m.events(t), 1)
}

// For any order of imports with different ends, every row that any of them
// covered is present, once.
func TestUntil_loses_no_rows(t *testing.T) {
	t.Parallel()
	path := file(t, "in.csv", days(6))
	at := func(day, hour int) time.Time { return time.Date(2017, 12, day, hour, 0, 0, 0, time.UTC) }
	for name, ends := range map[string][]time.Time{
		"growing":                  {at(2, 0), at(3, 13), at(5, 1)},
		"shrinking":                {at(5, 1), at(3, 13), at(2, 0)},
		"within one day":           {at(3, 13), at(3, 7), at(3, 19)},
		"all, then less":           {{}, at(3, 13)},
		"less, then all":           {at(3, 13), {}},
		"to a day, then within it": {at(4, 0), at(4, 7)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			var furthest time.Time
			for _, until := range ends {
				o := options(t)
				o.Until = until
				r, err := Import(t.Context(), m, []string{path}, o)
				require.NoError(t, err)
				require.Equal(t, r.Rows, r.Events+r.Files[0].AfterUntil)
				if until.IsZero() {
					until = at(30, 0)
				}
				if until.After(furthest) {
					furthest = until
				}
			}
			want := newMemory()
			o := options(t)
			o.Until = furthest
			_, err := Import(t.Context(), want, []string{path}, o)
			require.NoError(t, err)
			require.Equal(t, want.events(t), m.events(t))
		})
	}
}

func TestImport_with_another_mapping_replaces_the_first(t *testing.T) {
	t.Parallel()
	body := []byte("user,item,seen,bought\nu,i,2017-12-01,2017-12-05\nv,j,2017-12-02,2017-12-06\n")
	path := file(t, "in.csv", body)
	m := newMemory()
	_, err := Import(t.Context(), m, []string{file(t, "other.csv", days(3))}, options(t))
	require.NoError(t, err)
	others := len(m.keys(""))

	o := options(t)
	o.Columns.Time = "seen"
	_, err = Import(t.Context(), m, []string{path}, o)
	require.NoError(t, err)
	o.Columns.Time = "bought"
	o.EventType = "purchase"
	r, err := Import(t.Context(), m, []string{path}, o)
	require.NoError(t, err)
	require.Equal(t, Objects{Written: 2, Removed: 2, Bytes: r.Files[0].Objects.Bytes}, r.Files[0].Objects)
	require.Len(t, m.keys(""), others+3, "two days, then one record")

	only := newMemory()
	_, err = Import(t.Context(), only, []string{path}, o)
	require.NoError(t, err)
	for _, k := range only.keys(interactionsPrefix) {
		require.Equal(t, only.objects[k], m.objects[k], k)
	}
}

func TestImport_completes_an_interrupted_replacement(t *testing.T) {
	t.Parallel()
	path := file(t, "in.csv", []byte("user,item,seen,bought\nu,i,2017-12-01,2017-12-05\nv,j,2017-12-02,2017-12-06\n"))
	by := func(column string) Options {
		o := options(t)
		o.Columns.Time = column
		o.Parallel = 1
		return o
	}
	for _, then := range []string{"seen", "bought"} {
		m, want := newMemory(), newMemory()
		_, err := Import(t.Context(), m, []string{path}, by("seen"))
		require.NoError(t, err)
		faults := harnesstest.CountFaults(t)
		m.fail = func(key string) error {
			if strings.Contains(key, "2017-12-06") {
				faults.Inject("bucket unavailable")
				return errors.New("bucket unavailable")
			}
			return nil
		}
		_, err = Import(t.Context(), m, []string{path}, by("bought"))
		require.ErrorContains(t, err, "bucket unavailable")
		m.fail = nil

		_, err = Import(t.Context(), m, []string{path}, by(then))
		require.NoError(t, err)
		_, err = Import(t.Context(), want, []string{path}, by(then))
		require.NoError(t, err)
		require.Equal(t, want.keys(""), m.keys(""), then)
		for _, k := range want.keys("") {
			require.Equal(t, string(want.objects[k]), string(m.objects[k]), k)
		}
	}
}

func TestImport_splits_a_large_day_into_objects(t *testing.T) {
	t.Parallel()
	m := newMemory()
	o := options(t)
	o.PartRows = 3
	_, err := Import(t.Context(), m, []string{file(t, "in.csv", days(2))}, o)
	require.NoError(t, err)
	require.Len(t, m.keys(interactionsPrefix+"dt=2017-12-01/"), 2)
	require.Len(t, m.events(t), 8)
}
