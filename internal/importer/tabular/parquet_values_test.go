package tabular

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/require"
)

// parquetColumn returns a file with the column x of the given type and rows.
func parquetColumn(t testing.TB, node parquet.Node, rows ...parquet.Row) []byte {
	t.Helper()
	return parquetFile(t, parquet.Group{"x": node}, rows...)
}

func value(v any) parquet.Row { return parquet.Row{parquet.ValueOf(v).Level(0, 0, 0)} }

func TestParquet_reads_numbers_as_their_digits(t *testing.T) {
	t.Parallel()
	nines, err := hex.DecodeString("4b3b4ca85a86c47a098a223fffffffff")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		node parquet.Node
		in   any
		want Cell
	}{
		"int64":                   {parquet.Int(64), int64(math.MinInt64), text("-9223372036854775808")},
		"uint32":                  {parquet.Uint(32), uint32(math.MaxUint32), text("4294967295")},
		"uint64":                  {parquet.Uint(64), uint64(math.MaxUint64), text("18446744073709551615")},
		"uint8":                   {parquet.Uint(8), uint32(200), text("200")},
		"decimal int32":           {parquet.Decimal(2, 9, parquet.Int32Type), int32(450), text("4.50")},
		"decimal int32 below one": {parquet.Decimal(2, 9, parquet.Int32Type), int32(-5), text("-0.05")},
		"decimal int64":           {parquet.Decimal(0, 18, parquet.Int64Type), int64(999999999999999999), text("999999999999999999")},
		"decimal fixed":           {parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16)), [16]byte(nines), text("99999999999999999999999999999999999999")},
		"decimal fixed negative":  {parquet.Decimal(1, 38, parquet.FixedLenByteArrayType(2)), [2]byte{0xff, 0xd3}, text("-4.5")},
		"decimal bytes":           {parquet.Decimal(1, 3, parquet.ByteArrayType), []byte{0x2d}, text("4.5")},
		"double":                  {parquet.Leaf(parquet.DoubleType), 123.0, text("123")},
		"double beyond 2^53":      {parquet.Leaf(parquet.DoubleType), 1e22, text("10000000000000000000000")},
		"NaN":                     {parquet.Leaf(parquet.DoubleType), math.NaN(), Cell{}},
		"infinity":                {parquet.Leaf(parquet.DoubleType), math.Inf(1), text("+Inf")},
		"float NaN":               {parquet.Leaf(parquet.FloatType), float32(math.NaN()), Cell{}},
		"date beyond any time":    {parquet.Date(), int32(math.MaxInt32), Cell{Kind: CellTime, Time: math.MaxInt64}},
		"date":                    {parquet.Date(), int32(20454), Cell{Kind: CellTime, Time: 20454 * 86400e6}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustRead(t, Auto, parquetColumn(t, c.node, value(c.in)))
			require.Equal(t, []Cell{c.want}, column(got))
		})
	}
}

func TestParquet_reads_lists_of_every_layout(t *testing.T) {
	t.Parallel()
	at := func(v any, repetition, definition int) parquet.Value {
		return parquet.ValueOf(v).Level(repetition, definition, 0)
	}
	for name, c := range map[string]struct {
		node parquet.Node
		rows []parquet.Row
		want []Cell
	}{
		"three levels": {
			parquet.Optional(parquet.List(parquet.Optional(parquet.String()))),
			[]parquet.Row{{at("a", 0, 3), at("b", 1, 3), at(nil, 1, 2)}, {at(nil, 0, 0)}, {at(nil, 0, 1)}},
			[]Cell{list("a", "b"), {}, {}},
		},
		"two levels": {
			parquet.Group{"array": parquet.Repeated(parquet.String())},
			[]parquet.Row{{at("a", 0, 1), at("b", 1, 1)}, {at(nil, 0, 0)}},
			[]Cell{list("a", "b"), {}},
		},
		"repeated field": {
			parquet.Repeated(parquet.String()),
			[]parquet.Row{{at("a", 0, 1)}, {at(nil, 0, 0)}},
			[]Cell{list("a"), {}},
		},
		"list of lists": {
			parquet.List(parquet.List(parquet.String())),
			[]parquet.Row{{at("a", 0, 2), at("b", 2, 2), at("c", 1, 2)}},
			[]Cell{list("a", "b", "c")},
		},
		"numbers": {
			parquet.List(parquet.Uint(64)),
			[]parquet.Row{{at(uint64(math.MaxUint64), 0, 1), at(uint64(1), 1, 1)}},
			[]Cell{list("18446744073709551615", "1")},
		},
		"times": {
			parquet.List(parquet.Timestamp(parquet.Millisecond)),
			[]parquet.Row{{at(int64(1767225600000), 0, 1)}},
			[]Cell{list("2026-01-01T00:00:00Z")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, column(mustRead(t, Auto, parquetColumn(t, c.node, c.rows...))))
		})
	}
}

func TestParquet_refuses_a_mapped_column_that_it_cannot_read(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node parquet.Node
		want string
	}{
		"time of day": {parquet.Time(parquet.Millisecond), `column "x" has the type TIME(isAdjustedToUTC=true,unit=MILLIS)`},
		"BSON":        {parquet.BSON(), `column "x" has the type BSON`},
		"structure":   {parquet.Group{"a": parquet.String(), "b": parquet.String()}, `column "x" is a structure`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readContent(t, Auto, parquetColumn(t, c.node))
			require.ErrorContains(t, err, c.want)
			both := parquetFile(t, parquet.Group{"a": parquet.String(), "x": c.node})
			s, _, err := openContent(t, "in", both).Records(Auto)
			require.NoError(t, err)
			require.NoError(t, s.Bind([]Column{{Index: 0, Name: "a"}}), "a column that is not mapped does not matter")
			s, _, err = openContent(t, "in", both).Records(Auto)
			require.NoError(t, err)
			require.NoError(t, s.Bind([]Column{{Cell: 0, Index: 0, Name: "a", Sampled: true}, {Cell: 1, Index: 1, Name: "x", Sampled: true}}), "nor does it for a sample")
		})
	}
}

func TestParquet_a_column_of_type_null_is_absent(t *testing.T) {
	t.Parallel()
	content := parquetFile(t, parquet.Group{"a": parquet.String(), "n": parquet.Optional(parquet.Leaf(parquet.NullType))},
		parquet.Row{parquet.ValueOf("u1").Level(0, 0, 0), parquet.Value{}.Level(0, 0, 1)})
	require.Equal(t, [][]Cell{{text("u1"), {}}}, mustRead(t, Auto, content).rows)
}

func TestParquet_without_rows_has_zero_rows(t *testing.T) {
	t.Parallel()
	require.Empty(t, mustRead(t, Auto, parquetColumn(t, parquet.String())).rows)
}

func TestParquet_reads_what_writers_use(t *testing.T) {
	t.Parallel()
	for name, encoded := range map[string]parquet.Node{
		"dictionary":           parquet.Encoded(parquet.String(), &parquet.RLEDictionary),
		"delta length":         parquet.Encoded(parquet.String(), &parquet.DeltaLengthByteArray),
		"delta byte array":     parquet.Encoded(parquet.String(), &parquet.DeltaByteArray),
		"delta binary packed":  parquet.Encoded(parquet.Uint(64), &parquet.DeltaBinaryPacked),
		"byte stream split":    parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.ByteStreamSplit),
		"dictionary of uint32": parquet.Encoded(parquet.Uint(32), &parquet.RLEDictionary),
	} {
		for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd, &parquet.Brotli, &parquet.Lz4Raw} {
			t.Run(name+" "+codec.String(), func(t *testing.T) {
				v := map[parquet.Kind]any{parquet.ByteArray: "7", parquet.Int32: uint32(7), parquet.Int64: uint64(7), parquet.Double: 7.0}[encoded.Type().Kind()]
				got := mustRead(t, Auto, parquetColumn(t, parquet.Compressed(encoded, codec), value(v), value(v)))
				require.Equal(t, []Cell{text("7"), text("7")}, column(got))
			})
		}
	}
}

func TestParquet_quotes_a_row_as_JSON(t *testing.T) {
	t.Parallel()
	got := mustRead(t, Auto, parquetColumn(t, parquet.Decimal(1, 3, parquet.Int32Type), value(int32(45))))
	require.Equal(t, []string{`{"x":"4.5"}`}, got.raw)
}

func parquetFile(t testing.TB, columns parquet.Group, rows ...parquet.Row) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewWriter(&b, parquet.NewSchema("rows", columns))
	_, err := w.WriteRows(rows)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}
