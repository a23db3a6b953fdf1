package rawdata

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/recsys"
)

// rowsOf returns the rows of the catalogs in a bucket.
func rowsOf(t *testing.T, s3 *awsclient.S3) (rows []recsys.CatalogRow, err error) {
	t.Helper()
	for r, err := range Catalog(t.Context(), s3, t.TempDir()) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func TestCatalog_yields_the_rows_of_imported_catalogs(t *testing.T) {
	t.Parallel()
	s3 := awstest.S3(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	put := func(csv string, replace bool) {
		t.Helper()
		_, err := importer.Import(t.Context(), s3store.New(s3), []string{"-"}, importer.Options{
			Stdin: strings.NewReader(csv), Replace: replace, MaxRejects: -1, RejectsDir: t.TempDir(), TempDir: t.TempDir(),
			Now: func() time.Time { return now },
		})
		require.NoError(t, err)
	}
	rows, err := rowsOf(t, s3)
	require.NoError(t, err)
	require.Empty(t, rows)

	put("item_id,title,available\na,A,true\nb,B,false\n", true)
	put("item_id,title\nc,C\n", false)
	rows, err = rowsOf(t, s3)
	require.NoError(t, err)
	got := map[string]recsys.CatalogRow{}
	for _, r := range rows {
		require.Contains(t, r.Source, "raw/items/")
		r.Source = ""
		got[r.ItemID] = r
	}
	require.Len(t, got, 3)
	require.True(t, got["a"].Available)
	require.False(t, got["b"].Available)
	require.WithinDuration(t, now, got["b"].Written, 0)
	require.WithinDuration(t, now, got["b"].ReplacesBefore, 0)
	require.True(t, got["c"].Available)
	require.WithinDuration(t, now.Add(time.Microsecond), got["c"].Written, 0, "a later catalog")
	require.True(t, got["c"].ReplacesBefore.IsZero())
}

func TestCatalog_reads_what_other_writers_write(t *testing.T) {
	t.Parallel()
	s3 := awstest.S3(t)
	put := func(key string, body []byte) {
		t.Helper()
		require.NoError(t, s3.Put(t.Context(), key, bytes.NewReader(body)))
	}
	type otherRow struct {
		ID string `parquet:"id"`
	}
	type row struct {
		ItemID    *string `parquet:"item_id,optional"`
		Available *bool   `parquet:"available,optional"`
	}
	put("raw/items/_SUCCESS", nil)
	put("raw/items/a.parquet", parquetOf(t, []row{{ItemID: new("a")}, {ItemID: new("b"), Available: new(false)}, {}, {ItemID: new(strings.Repeat("x", 300))}}))
	put("raw/items/b.parquet", parquetOf(t, []row{}))
	rows, err := rowsOf(t, s3)
	require.NoError(t, err)
	require.Len(t, rows, 2, "rows without a valid id are of no item")
	require.True(t, rows[0].Available, "absent means available")
	require.False(t, rows[1].Available)
	require.WithinDuration(t, time.Now(), rows[0].Written, time.Minute, "when the object was written")

	put("raw/items/c.parquet", parquetOf(t, []otherRow{{"a"}}))
	_, err = rowsOf(t, s3)
	require.ErrorIs(t, err, recsys.ErrDataInvalid)
	require.ErrorContains(t, err, "raw/items/c.parquet: it has no column item_id")
	put("raw/items/c.parquet", []byte("damaged"))
	_, err = rowsOf(t, s3)
	require.ErrorIs(t, err, recsys.ErrDataInvalid)
	require.ErrorContains(t, err, "raw/items/c.parquet: ")
}

func parquetOf[T any](t *testing.T, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, rows))
	return b.Bytes()
}
