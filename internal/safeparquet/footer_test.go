package safeparquet_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/safeparquet"
	"github.com/recflow/recflow/internal/safeparquet/safeparquettest"
)

// footerRows returns the result of FooterRows for a file.
func footerRows(file []byte) (int64, error) {
	n, err := safeparquet.FooterLength(file, int64(len(file)))
	if err != nil {
		return 0, err
	}
	end := len(file) - safeparquet.FooterTail
	return safeparquet.FooterRows(file[end-int(n) : end])
}

func open(file []byte) error {
	_, err := safeparquet.Open(bytes.NewReader(file), int64(len(file)), safeparquet.Foreign)
	return err
}

func TestOpen_rejects_oversized_footers(t *testing.T) {
	t.Parallel()
	for name, file := range safeparquettest.CraftedFooters() {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, open(file), "malformed")
			_, err := footerRows(file)
			require.ErrorContains(t, err, "malformed")
		})
	}
	for name, file := range safeparquettest.CraftedSchemas() {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, open(file), "the schema is malformed")
		})
	}
}

func TestOpen_rejects_files_that_are_not_Parquet(t *testing.T) {
	t.Parallel()
	for content, says := range map[string]string{
		"":                             "0 bytes are too few",
		"PAR1PAR1":                     "8 bytes are too few",
		"PAR1\xff\xff\xff\xffPAR1":     "the footer claims 4294967295 bytes",
		"PAR1\x01\x00\x00\x00PAR1":     "the footer claims 1 bytes",
		"PARE....\x00\x00\x00\x00PARE": "is encrypted",
		"user_id,item_id,when\n1,2,3":  "it is not a Parquet file",
	} {
		require.ErrorContains(t, open([]byte(content)), says)
		_, err := footerRows([]byte(content))
		require.ErrorContains(t, err, says)
	}
}

func TestFooterRows_counts_every_row_group(t *testing.T) {
	t.Parallel()
	type row struct{ X int64 }
	for _, rows := range []int{0, 1, 2500} {
		var b bytes.Buffer
		require.NoError(t, parquet.Write(&b, make([]row, rows), parquet.MaxRowsPerRowGroup(1000),
			parquet.KeyValueMetadata("long", strings.Repeat("x", 1<<20))))
		got, err := footerRows(b.Bytes())
		require.NoError(t, err)
		require.EqualValues(t, rows, got)
	}
}

func TestFooterRows_rejects_inconsistent_footers(t *testing.T) {
	t.Parallel()
	groups := func(rows ...int64) (out []format.RowGroup) {
		for _, n := range rows {
			out = append(out, format.RowGroup{NumRows: n})
		}
		return out
	}
	for says, of := range map[string]format.FileMetaData{
		"a row group has 11 of 10 rows":   {NumRows: 10, RowGroups: groups(11)},
		"a row group has -1 of 10 rows":   {NumRows: 10, RowGroups: groups(11, -1)[1:]},
		"its row groups have 9 of 10 row": {NumRows: 10, RowGroups: groups(4, 5)},
		"its row groups have 0 of -1 row": {NumRows: -1},
	} {
		footer, err := thrift.Marshal(new(thrift.CompactProtocol), of)
		require.NoError(t, err)
		_, err = footerRows(safeparquettest.WithFooter(footer))
		require.ErrorContains(t, err, says)
	}
	_, err := footerRows(safeparquettest.WithFooter([]byte{0x15, 0x02, 0x00})) // a version and no rows
	require.ErrorContains(t, err, "malformed")
}
