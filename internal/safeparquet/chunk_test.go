package safeparquet

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

// trained are limits as those of the loader.
var trained = Limits{
	FooterBytes: 16 << 20, FooterItems: 1 << 18, PageBytes: 64 << 20, PageValues: 16 << 20,
	Codecs: []format.CompressionCodec{format.Snappy, format.Uncompressed},
}

func TestPage_rejects_oversized_headers(t *testing.T) {
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
		"two kinds at the same time": {func(h *format.PageHeader) {
			h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 1<<31 - 1})
		}, 100, "is inconsistent"},
		"a dictionary of runs": {func(h *format.PageHeader) {
			h.Type, h.DataPageHeader = format.DictionaryPage, thrift.Null[format.DataPageHeader]{}
			h.DictionaryPageHeader = thrift.New(format.DictionaryPageHeader{NumValues: 10, Encoding: format.RLEDictionary})
		}, 100, "is not supported"},
		"levels beyond the page": {func(h *format.PageHeader) {
			h.Type, h.DataPageHeader = format.DataPageV2, thrift.Null[format.DataPageHeader]{}
			h.DataPageHeaderV2 = thrift.New(format.DataPageHeaderV2{NumValues: 10, RepetitionLevelsByteLength: 10, DefinitionLevelsByteLength: 10})
		}, 100, "is inconsistent"},
	} {
		t.Run(name, func(t *testing.T) {
			data := make([]byte, page)
			binary.PutUvarint(data, c.unpacked)
			p, err := newPage(header(c.change), format.Snappy, trained)
			if err == nil {
				err = p.checkSize(bytes.NewReader(data))
			}
			if c.says == "" {
				require.NoError(t, err)
				require.EqualValues(t, 10, p.values)
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
	file, err := Open(in, size, trained)
	require.NoError(t, err)
	good := file.Metadata().RowGroups[0].Columns[0].MetaData
	require.NoError(t, file.CheckChunk(0, file.Root().Columns()[0]))
	require.ErrorContains(t, file.checkChunk(&good, 99, true), "100 values for 99 rows")
	for says, change := range map[string]func(m *format.ColumnMetaData){
		"its pages have 100 values and it claims 101": func(m *format.ColumnMetaData) { m.NumValues++ },
		"outside the file":                            func(m *format.ColumnMetaData) { m.TotalCompressedSize = size },
		"outside the file ":                           func(m *format.ColumnMetaData) { m.DataPageOffset = 1<<63 - 1 },
		"beyond its column":                           func(m *format.ColumnMetaData) { m.TotalCompressedSize -= 3 },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, file.checkChunk(&bad, bad.NumValues, false), strings.TrimSpace(says))
	}
}

func TestRecovered_keeps_the_stack(t *testing.T) {
	t.Parallel()
	fails := func() (err error) {
		defer Recovered(&err)
		panic("no such page")
	}
	err := fails()
	require.EqualError(t, err, "the Parquet data is malformed: panic: no such page")
	require.Contains(t, panics.LogAttributes(err)[1], "TestRecovered_keeps_the_stack")
}
