// Package safeparquettest contains Parquet files for which parquet-go would allocate
// until the process dies.
package safeparquettest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// CraftedFooters returns Parquet files, by defect, for whose footers parquet-go
// would allocate gigabytes and die. Every error about them contains
// "malformed".
func CraftedFooters() map[string][]byte {
	billions := []byte{0xff, 0xff, 0xff, 0xff, 0x07}
	files := map[string][]byte{}
	for name, footer := range map[string][]byte{
		"2 billion columns":                    append([]byte{0x15, 0x02, 0x19, 0xfc}, billions...), // version 1, then a list of structures
		"a name of 2 GB":                       append([]byte{0x15, 0x02, 0x18}, billions...),
		"2 billion unknown bools":              append([]byte{0x15, 0x02, 0xe9, 0xf1}, billions...),
		"more list elements than any file has": append([]byte{0x15, 0x02, 0x19, 0xfc, 0x80, 0x80, 0x80, 0x01}, make([]byte, 1<<21+1)...),
		"unlimited nesting":                    bytes.Repeat([]byte{0x1c}, 1000),
		"a map":                                {0x1b, 0x01, 0x88},
		"nothing":                              {},
	} {
		files[name] = WithFooter(footer)
	}
	return files
}

// WithFooter returns a Parquet file that consists of a footer only.
func WithFooter(footer []byte) []byte {
	file := append([]byte("PAR1"), footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}

// CraftedSchemas returns Parquet files with schemas for which parquet-go would
// allocate gigabytes and die. Every error about them contains "the schema is
// malformed".
func CraftedSchemas() map[string][]byte {
	files := map[string][]byte{}
	for name, children := range map[string][]int32{
		"200,000 levels":              slices.Repeat([]int32{1}, 200_000),
		"many columns":                append([]int32{50_000}, make([]int32, 50_000)...),
		"a negative number of fields": {-1},
		"more fields than elements":   {1<<31 - 1, 0},
	} {
		meta := format.FileMetaData{Version: 1}
		for _, n := range children {
			e := format.SchemaElement{Name: "a"}
			if n != 0 {
				e.NumChildren = thrift.New(n)
			}
			meta.Schema = append(meta.Schema, e)
		}
		files[name] = WithFooter(encoded(&meta))
	}
	return files
}

// encoded returns a structure in the compact protocol.
func encoded(v any) []byte {
	data, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		panic(err) // the structures are our own
	}
	return data
}

const huge = 1<<31 - 1 // the largest number of values that a run can claim

// column is a crafted column with one page.
type column struct {
	kind       format.Type
	length     int32 // of values of a fixed length
	optional   bool
	encoding   format.Encoding
	codec      format.CompressionCodec
	dictionary []byte // plain values of the dictionary; nil: there is none
	values     int32  // that the page claims
	data       []byte
	unpacked   int32  // size that the page claims; 0: that of data
	packed     []byte // data after compression; nil: it is not compressed
}

// CraftedPages returns Parquet files with one column, "user_id", and a page whose data
// makes parquet-go allocate gigabytes and die, by defect.
func CraftedPages() map[string][]byte {
	run := binary.AppendUvarint(nil, huge<<1) // a run of one value
	runs := func(value ...byte) []byte { return bytes.Repeat(append(bytes.Clone(run), value...), 1000) }
	packed := binary.AppendUvarint(nil, huge<<1|1)                      // groups of eight values
	delta := binary.AppendUvarint(binary.AppendUvarint(nil, 128), 4)    // the blocks
	deltas := append(binary.AppendUvarint(bytes.Clone(delta), huge), 0) // the number of values, and the first one
	one := func(first uint64) []byte { return binary.AppendUvarint(append(bytes.Clone(delta), 1), first<<1) }
	prefixed := func(data []byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
	}
	bomb := make([]byte, 64<<20)
	var gz, br bytes.Buffer
	z := gzip.NewWriter(&gz)
	mustWrite(z, bomb)
	b := brotli.NewWriter(&br)
	mustWrite(b, bomb)
	zs, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	files := map[string][]byte{}
	for name, c := range map[string]column{
		"levels in runs of 2 billion":          {kind: format.Int32, optional: true, values: 10, data: prefixed(runs(1))},
		"levels in 2 billion groups":           {kind: format.Int32, optional: true, values: 10, data: prefixed(packed)},
		"dictionary indexes in runs":           {kind: format.Int32, encoding: format.RLEDictionary, dictionary: make([]byte, 4), values: 10, data: append([]byte{1}, runs(0)...)},
		"dictionary indexes in groups":         {kind: format.Int32, encoding: format.RLEDictionary, dictionary: make([]byte, 4), values: 10, data: append([]byte{32}, packed...)},
		"booleans in runs":                     {kind: format.Boolean, encoding: format.RLE, values: 10, data: prefixed(runs(1))},
		"2 billion deltas":                     {kind: format.Int64, encoding: format.DeltaBinaryPacked, values: 10, data: deltas},
		"2 billion lengths":                    {kind: format.ByteArray, encoding: format.DeltaLengthByteArray, values: 10, data: deltas},
		"a suffix of 2 GB":                     {kind: format.ByteArray, encoding: format.DeltaByteArray, values: 1, data: append(one(0), one(huge)...)},
		"a prefix of 2 GB":                     {kind: format.ByteArray, encoding: format.DeltaByteArray, values: 1, data: append(one(huge), one(0)...)},
		"10 values of 2 GB":                    {kind: format.FixedLenByteArray, length: huge, encoding: format.DeltaByteArray, values: 10, data: append(one(0), one(0)...)},
		"a gzip bomb":                          {kind: format.Int32, codec: format.Gzip, values: 1, data: make([]byte, 4), packed: closed(z, &gz)},
		"a brotli bomb":                        {kind: format.Int32, codec: format.Brotli, values: 1, data: make([]byte, 4), packed: closed(b, &br)},
		"a zstd bomb":                          {kind: format.Int32, codec: format.Zstd, values: 1, data: make([]byte, 4), packed: zs.EncodeAll(bomb, nil)},
		"LZ4 data that is cut":                 {kind: format.Int32, codec: format.Lz4Raw, values: 1, data: make([]byte, 4), packed: []byte{0xff, 0xff}},
		"a page that claims 2 GB uncompressed": {kind: format.Int32, codec: format.Gzip, values: 1, data: make([]byte, 4), unpacked: huge, packed: []byte{1}},
		"a page that claims 2 billion values":  {kind: format.Int32, optional: true, values: huge, data: prefixed(runs(1))},
	} {
		files[name] = c.file()
	}
	return files
}

func mustWrite(w io.Writer, data []byte) {
	if _, err := w.Write(data); err != nil {
		panic(err) // a buffer accepts everything
	}
}

func closed(w io.Closer, out *bytes.Buffer) []byte {
	if err := w.Close(); err != nil {
		panic(err) // as above
	}
	return out.Bytes()
}

func (c column) file() []byte {
	file := []byte("PAR1")
	meta := format.ColumnMetaData{Type: c.kind, PathInSchema: []string{"user_id"}, Codec: c.codec, NumValues: int64(c.values)}
	if c.dictionary != nil {
		meta.DictionaryPageOffset = int64(len(file))
		file = append(file, encoded(&format.PageHeader{
			Type: format.DictionaryPage, UncompressedPageSize: int32(len(c.dictionary)), CompressedPageSize: int32(len(c.dictionary)),
			DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: 1, Encoding: format.Plain}),
		})...)
		file = append(file, c.dictionary...)
	}
	meta.DataPageOffset = int64(len(file))
	stored := c.packed
	if stored == nil {
		stored = c.data
	}
	file = append(file, encoded(&format.PageHeader{
		Type: format.DataPage, UncompressedPageSize: cmp.Or(c.unpacked, int32(len(c.data))), CompressedPageSize: int32(len(stored)),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: c.values, Encoding: c.encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	})...)
	file = append(file, stored...)
	meta.TotalCompressedSize = int64(len(file)) - 4
	meta.TotalUncompressedSize = meta.TotalCompressedSize
	leaf := format.SchemaElement{Name: "user_id", Type: thrift.New(c.kind), RepetitionType: thrift.New(format.Required)}
	if c.optional {
		leaf.RepetitionType = thrift.New(format.Optional)
	}
	if c.length > 0 {
		leaf.TypeLength = thrift.New(c.length)
	}
	rows := int64(c.values)
	footer := encoded(&format.FileMetaData{
		Version: 1, NumRows: rows,
		Schema:    []format.SchemaElement{{Name: "root", NumChildren: thrift.New(int32(1))}, leaf},
		RowGroups: []format.RowGroup{{NumRows: rows, Columns: []format.ColumnChunk{{MetaData: meta}}}},
	})
	file = append(file, footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}
