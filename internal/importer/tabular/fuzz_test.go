package tabular

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// Any text is read to its end or refused with an error, and what encoding/csv
// accepts is read as it does, apart from the dialects that it does not know.
func FuzzCSV(f *testing.F) {
	for _, in := range []string{
		"a,b\n1,2\n", "a,b\n\"x \"\"y\"\"\",\"1\n2\"\n", "a;b\n1;\"2\n", "sep=;\na;b\n1;2\n", "a,b\n1,\"x \\\"y\\\"\"\n", "a, \"b\"\n1, \"2, 3\"\n",
		"# c\na\tb\n\\N\t2\n", "\xff\xfea\x00\n\x00b\x00", "a\rb\r", "title of it\n\na,b\n1,2\n", "a,b\n\"1\"x,2\n3\n",
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readContent(t, CSV, in)
		if err != nil {
			return
		}
		if bytes.ContainsAny(in, "\\ #;|=\t\r\x00") || !utf8.Valid(in) || bytes.HasPrefix(in, []byte(byteOrderMark)) || bytes.HasPrefix(in, []byte("PAR1")) {
			return
		}
		want, err := csv.NewReader(bytes.NewReader(in)).ReadAll()
		if err != nil || len(want) == 0 {
			return
		}
		require.Empty(t, got.bad)
		require.Len(t, got.rows, len(want)-1)
		for i, row := range got.rows {
			for j, c := range row {
				require.Equal(t, want[i+1][j], c.Text)
			}
		}
	})
}

// Any text is read to its end or refused with an error, and only JSON objects are
// rows.
func FuzzJSONLines(f *testing.F) {
	for _, in := range []string{
		"{\"a\":1}\n{\"a\":\"x\",\"b\":[1,null]}\n", "[{\"a\":1},{\"b\":{\"$oid\":\"x\"}}]", "{\n\"a\":1\n}{\"a\":2}", "{\"a\":NaN}\n{\"a\":-Infinity}", "[]", "{\"a\":1}\n{\"a\"",
		"{\"a\\u0062\":\"\\ud83d\\ude00\"}", "[{\"a\":[[{\"name\":\"x\"}]]}", "[{\"a\":1},x\"b\":{}}}]",
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readContent(t, JSONL, in)
		if err != nil {
			return
		}
		require.Len(t, got.raw, len(got.rows)+len(got.bad))
		for _, raw := range got.raw {
			if len(got.bad) == 0 && len(raw) < maxRaw && !strings.Contains(raw, "NaN") && !strings.Contains(raw, "Infinity") {
				require.True(t, json.Valid([]byte(raw)), raw)
			}
		}
	})
}

// Any bytes are read to their end or refused with an error, with as many rows as
// the footer has.
func FuzzParquet(f *testing.F) {
	for _, node := range []parquet.Node{
		parquet.String(), parquet.Uint(64), parquet.Timestamp(parquet.Millisecond), parquet.Optional(parquet.Leaf(parquet.NullType)), parquet.UUID(),
		parquet.Decimal(2, 9, parquet.Int32Type), parquet.Decimal(0, 38, parquet.FixedLenByteArrayType(16)),
	} {
		f.Add(parquetColumn(f, node))
	}
	f.Add(parquetColumn(f, parquet.Uint(64), value(uint64(math.MaxUint64))))
	f.Add(parquetColumn(f, parquet.Decimal(0, 18, parquet.ByteArrayType), value([]byte{1, 2})))
	f.Add(parquetColumn(f, parquet.List(parquet.String()), parquet.Row{parquet.ValueOf("a").Level(0, 1, 0), parquet.ValueOf("b").Level(1, 1, 0)}))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, _, err := openContent(t, "in", in).Records(Parquet)
		if err != nil {
			return
		}
		defer s.Close()
		rows := s.(*parquetSource).file.NumRows()
		if rows > 1<<20 {
			t.Skip("it claims many rows without values")
		}
		got, err := readContent(t, Parquet, in)
		if err == nil {
			require.Len(t, got.rows, int(rows))
		}
	})
}
