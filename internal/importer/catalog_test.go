package importer

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// catalog returns the items as the training reads them: the row of the latest
// import, available unless a later complete catalog lacks it.
func (m *memory) catalog(t testing.TB) map[string]string {
	t.Helper()
	latest := map[string]itemRow{}
	var before int64
	for _, k := range m.keys(itemsPrefix) {
		rows, err := parquet.Read[itemRow](bytes.NewReader(m.objects[k]), int64(len(m.objects[k])))
		require.NoError(t, err)
		for _, r := range rows {
			require.NotEqual(t, latest[r.ItemID].ImportedAt, r.ImportedAt, "two imports have one time")
			if r.ImportedAt > latest[r.ItemID].ImportedAt {
				latest[r.ItemID] = r
			}
			if r.ReplacesBefore != nil {
				before = max(before, *r.ReplacesBefore)
			}
		}
	}
	out := map[string]string{}
	for id, r := range latest {
		out[id] = fmt.Sprint(r.Title, " ", r.Available && r.ImportedAt >= before)
	}
	return out
}

// The catalog that was imported last is current, also if its bytes were imported
// before, and all imports are in the same second.
func TestImport_makes_an_older_catalog_current_again(t *testing.T) {
	t.Parallel()
	m := newMemory()
	monday := file(t, "monday.csv", []byte("item_id,title,available\n1,city,true\n2,road,true\n"))
	tuesday := file(t, "tuesday.csv", []byte("item_id,title,available\n1,city,false\n2,road,true\n"))
	for _, step := range []struct {
		path string
		want string
	}{{monday, "city true"}, {tuesday, "city false"}, {monday, "city true"}, {monday, "city true"}, {tuesday, "city false"}} {
		_, err := Import(t.Context(), m, []string{step.path}, options(t))
		require.NoError(t, err)
		require.Equal(t, map[string]string{"1": step.want, "2": "road true"}, m.catalog(t))
	}
	before := maps.Clone(m.objects)
	later := options(t)
	later.Now = func() time.Time { return today.AddDate(0, 0, 2) }
	_, err := Import(t.Context(), m, []string{tuesday}, later)
	require.NoError(t, err)
	require.Equal(t, before, m.objects, "importing the current catalog again changes nothing")
}

func TestImport_reads_the_catalogs_of_a_folder_in_the_order_of_their_names(t *testing.T) {
	t.Parallel()
	m, dir := newMemory(), t.TempDir()
	for _, day := range []int{3, 1, 6, 2, 5, 4} {
		path := filepath.Join(dir, fmt.Sprintf("2026-01-%02d.csv", day))
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "item_id,title\n1,day %d\n%d0,only\n", day, day), 0o600))
	}
	for range 2 {
		_, err := Import(t.Context(), m, []string{dir}, options(t))
		require.NoError(t, err)
		require.Equal(t, "day 6 true", m.catalog(t)["1"])
	}
}

// Items that a complete catalog lacks become unavailable. The files of one command
// are one catalog.
func TestImport_replaces_the_catalog(t *testing.T) {
	t.Parallel()
	m := newMemory()
	first := file(t, "first.csv", []byte("item_id,title\n1,a\n2,b\n3,c\n"))
	a, b := file(t, "a.csv", []byte("item_id,title\n1,a\n")), file(t, "b.csv", []byte("item_id,title\n3,c\n4,d\n"))
	late := file(t, "late.csv", []byte("item_id,title\n9,late\n"))
	whole := options(t)
	whole.Replace = true
	for _, step := range []struct {
		paths []string
		o     Options
		want  map[string]string
	}{
		{[]string{first}, options(t), map[string]string{"1": "a true", "2": "b true", "3": "c true"}},
		{[]string{a, b}, whole, map[string]string{"1": "a true", "2": "b false", "3": "c true", "4": "d true"}},
		{[]string{late}, options(t), map[string]string{"1": "a true", "2": "b false", "3": "c true", "4": "d true", "9": "late true"}},
		{[]string{first}, whole, map[string]string{"1": "a true", "2": "b true", "3": "c true", "4": "d false", "9": "late false"}},
	} {
		_, err := Import(t.Context(), m, step.paths, step.o)
		require.NoError(t, err)
		require.Equal(t, step.want, m.catalog(t))
	}
	_, err := Import(t.Context(), m, []string{file(t, "log.csv", []byte(orders(3)))}, whole)
	require.ErrorContains(t, err, "was read as a log of events; only a catalog can be complete (--replace)")

	// Nothing is written if a part of the catalog cannot be read.
	before := maps.Clone(m.objects)
	_, err = Import(t.Context(), m, []string{a, filepath.Join(t.TempDir(), "missing.csv")}, whole)
	require.ErrorContains(t, err, "nothing was imported, because the catalog is not complete")
	whole.MaxRejects = 1
	_, err = Import(t.Context(), m, []string{a, file(t, "rejects.csv", []byte("item_id,title\n3,c\n,d\n,e\n"))}, whole)
	require.ErrorAs(t, err, &TooManyRejects{})
	require.Equal(t, before, m.objects)
}
