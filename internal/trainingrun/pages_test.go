package trainingrun

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/panics"
)

func TestCheckPage_rejects_oversized_headers(t *testing.T) {
	t.Parallel()
	const page = 16 // bytes, beginning with the decompressed size for snappy
	header := func(change func(h *format.PageHeader)) *format.PageHeader {
		h := &format.PageHeader{Type: format.DataPage, UncompressedPageSize: 100, CompressedPageSize: page}
		h.DataPageHeader = thrift.New(format.DataPageHeader{NumValues: 10, Encoding: format.Plain})
		change(h)
		return h
	}
	for name, c := range map[string]struct {
		change   func(h *format.PageHeader)
		unpacked uint64
		says     string
	}{
		"a valid page":                            {func(*format.PageHeader) {}, 100, ""},
		"2 GB decompressed":                       {func(h *format.PageHeader) { h.UncompressedPageSize = 1<<31 - 1 }, 1<<31 - 1, "at most"},
		"2 GB compressed":                         {func(h *format.PageHeader) { h.CompressedPageSize = 1<<31 - 1 }, 100, "at most"},
		"a negative size":                         {func(h *format.PageHeader) { h.UncompressedPageSize = -1 }, 100, "at most"},
		"2 billion values":                        {func(h *format.PageHeader) { h.DataPageHeader.V.NumValues = 1<<31 - 1 }, 100, "values; at most"},
		"a negative count":                        {func(h *format.PageHeader) { h.DataPageHeader.V.NumValues = -1 }, 100, "values; at most"},
		"a snappy bomb":                           {func(*format.PageHeader) {}, 4 << 30, "decompresses to 4294967296 bytes and claims 100"},
		"an index page":                           {func(h *format.PageHeader) { h.Type = format.IndexPage }, 100, "is not supported"},
		"a header without its type-specific part": {func(h *format.PageHeader) { h.Type = format.DataPageV2 }, 100, "is not supported"},
		"another encoding":                        {func(h *format.PageHeader) { h.DataPageHeader.V.Encoding = format.DeltaByteArray }, 100, "is not supported"},
		"levels beyond the page": {func(h *format.PageHeader) {
			h.Type = format.DataPageV2
			h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{NumValues: 10, RepetitionLevelsByteLength: 10, DefinitionLevelsByteLength: 10})
		}, 100, "is inconsistent"},
	} {
		t.Run(name, func(t *testing.T) {
			data := make([]byte, page)
			binary.PutUvarint(data, c.unpacked)
			n, err := checkPage(bytes.NewReader(data), 0, header(c.change), format.Snappy)
			if c.says == "" {
				require.NoError(t, err)
				require.EqualValues(t, 10, n)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestCheckChunk_rejects_inconsistent_chunks(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[struct {
		X float64 `parquet:"x,snappy"`
	}](&b)
	_, err := w.Write(make([]struct {
		X float64 `parquet:"x,snappy"`
	}, 100))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	size := int64(b.Len())
	in := bytes.NewReader(b.Bytes())
	file, err := parquet.OpenFile(in, size)
	require.NoError(t, err)
	good := file.Metadata().RowGroups[0].Columns[0].MetaData
	require.NoError(t, checkChunk(in, size, &good, 100, true))
	require.ErrorContains(t, checkChunk(in, size, &good, 99, true), "100 values for 99 rows")
	for says, change := range map[string]func(m *format.ColumnMetaData){
		"its pages have 100 values and it claims 101": func(m *format.ColumnMetaData) { m.NumValues++ },
		"outside the file":                            func(m *format.ColumnMetaData) { m.TotalCompressedSize = size },
		"outside the file ":                           func(m *format.ColumnMetaData) { m.DataPageOffset = 1<<63 - 1 },
		"beyond its column":                           func(m *format.ColumnMetaData) { m.TotalCompressedSize -= 3 },
		"compression ZSTD":                            func(m *format.ColumnMetaData) { m.Codec = format.Zstd },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, checkChunk(in, size, &bad, bad.NumValues, false), strings.TrimSpace(says))
	}
}

func TestRecoverPanic_keeps_the_stack(t *testing.T) {
	t.Parallel()
	err := recoverPanic(func() error { panic("no such page") })
	require.EqualError(t, err, "the Parquet data is malformed: panic: no such page")
	require.Contains(t, panics.LogAttributes(err)[1], "TestRecoverPanic_keeps_the_stack")
}
