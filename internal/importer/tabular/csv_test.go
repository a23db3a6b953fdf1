package tabular

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

func TestCSV_reads_the_dialects_of_other_programs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in      string
		columns []string
		rows    [][]Cell
		dialect string
	}{
		"RFC 4180": {"a,b\n\"x \"\"y\"\", z\",1\n", []string{"a", "b"}, [][]Cell{{text(`x "y", z`), text("1")}}, `separator ","`},
		"Spark's quotes": {"a,b\n1,\"x \\\"y, z\\\" \\\\\"\n2,\"C:\\dir\"\n", []string{"a", "b"},
			[][]Cell{{text("1"), text(`x "y, z" \`)}, {text("2"), text(`C:\dir`)}}, `separator ",", backslash escapes (line 2)`},
		"Spark's quotes over lines": {"a,b\n1,\"x \\\"y\nz\\\"\"\n", []string{"a", "b"},
			[][]Cell{{text("1"), text("x \"y\nz\"")}}, `separator ",", backslash escapes (line 2)`},
		"a backslash before the closing quote": {"a,b\n1,\"C:\\\"\n2,\"D:\\\"\n", []string{"a", "b"},
			[][]Cell{{text("1"), text(`C:\`)}, {text("2"), text(`D:\`)}}, `separator ","`},
		"spaces before quotes": {"a, \"b\"\n1, \"x, y\" \n2, x \"y\"\n3, \"x\" y\n", []string{"a", "b"},
			[][]Cell{{text("1"), text("x, y")}, {text("2"), text(` x "y"`)}, {text("3"), text(` "x" y`)}}, `separator ","`},
		"nulls":            {"a,b\n\\N,\"\\N\"\n", []string{"a", "b"}, [][]Cell{{{}, text(`\N`)}}, `separator ","`},
		"a separator line": {"sep=;\na;b,c\n1;2\n", []string{"a", "b,c"}, [][]Cell{{text("1"), text("2")}}, `separator ";", lines before the header: 1`},
		"a title": {"Events of the shop\n\nuser id;item\n1;2\n", []string{"user id", "item"},
			[][]Cell{{text("1"), text("2")}}, `separator ";", lines before the header: 1`},
		"comments":               {"# made by hand\n# on Monday, late\na\tb\n1\t#2\n", []string{"a", "b"}, [][]Cell{{text("1"), text("#2")}}, `separator tab, lines before the header: 2`},
		"ids with a separator":   {"user_id\nauth0|1\nauth0|2\n", []string{"user_id"}, [][]Cell{{text("auth0|1")}, {text("auth0|2")}}, `separator ","`},
		"separators in quotes":   {"\"a,b,c\";d\n1;2\n", []string{"a,b,c", "d"}, [][]Cell{{text("1"), text("2")}}, `separator ";"`},
		"a header with one name": {"a,a\n1,2\n", []string{"a", "a"}, [][]Cell{{text("1"), text("2")}}, `separator ","`},
		"old Mac lines":          {"a,b\r1,2\r3,4", []string{"a", "b"}, [][]Cell{{text("1"), text("2")}, {text("3"), text("4")}}, `separator ",", carriage returns end the lines`},
		"a byte order mark":      {"\ufeffa,b\n1,2\n", []string{"a", "b"}, [][]Cell{{text("1"), text("2")}}, `separator ","`},
		"only a header":          {"a,b\n", []string{"a", "b"}, nil, `separator ","`},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustRead(t, Auto, []byte(c.in))
			require.Equal(t, c.columns, got.columns)
			require.Equal(t, c.rows, got.rows)
			require.Equal(t, c.dialect, strings.Join(got.dialect, ", "))
		})
	}
}

func TestCSV_rejects_only_the_rows_that_are_none(t *testing.T) {
	t.Parallel()
	got, err := readContent(t, CSV, []byte("a,b\n1\n1,2,3\n1,\"2\n3,4\n5,\"6\" 7\n"))
	require.NoError(t, err)
	require.Equal(t, [][]Cell{{text("3"), text("4")}}, got.rows)
	require.Equal(t, []string{
		"has 1 columns where the header has 2",
		"has 3 columns where the header has 2",
		"has text after the closing quote of column 2; a quote on this line may not be closed",
		"has text after the closing quote of column 2",
	}, got.bad)
}

func TestCSV_removes_padding_only_where_a_value_has_one_line(t *testing.T) {
	t.Parallel()
	s, _, err := openContent(t, "in", []byte("user\ttitle\n u 1 \t a \n\" u\"\t\n  \tb\n")).Records(Auto)
	require.NoError(t, err)
	require.NoError(t, s.Bind([]Column{{Cell: 0, Index: 0, SingleLine: true}, {Cell: 1, Index: 1}}))
	r := Record{Cells: make([]Cell, 2)}
	for _, want := range [][]Cell{{text("u 1"), text(" a ")}, {text(" u"), {}}, {{}, text("b")}} {
		require.NoError(t, s.Next(&r))
		require.Equal(t, want, r.Cells)
	}
}

func TestText_of_other_encodings(t *testing.T) {
	t.Parallel()
	const in = "user,title\nu1,Café “Zoë”\n"
	windows, err := charmap.Windows1252.NewEncoder().String(in)
	require.NoError(t, err)
	encoded := map[string]string{"windows-1252": windows}
	for name, e := range map[string]struct {
		order unicode.Endianness
		mark  unicode.BOMPolicy
	}{
		"UTF-16LE with a mark": {unicode.LittleEndian, unicode.UseBOM}, "UTF-16BE with a mark": {unicode.BigEndian, unicode.UseBOM},
		"UTF-16LE": {unicode.LittleEndian, unicode.IgnoreBOM}, "UTF-16BE": {unicode.BigEndian, unicode.IgnoreBOM},
	} {
		encoded[name], err = unicode.UTF16(e.order, e.mark).NewEncoder().String(in)
		require.NoError(t, err)
	}
	for name, in := range encoded {
		t.Run(name, func(t *testing.T) {
			f := openContent(t, "in", []byte(in))
			if name == "windows-1252" {
				_, _, err := f.Records(Auto)
				require.EqualError(t, err, f.Name()+": is not UTF-8 text; it looks like Windows-1252 or Latin-1; read it with --encoding windows-1252")
				f.Encoding = name
			}
			s, _, err := f.Records(Auto)
			require.NoError(t, err)
			require.Equal(t, []string{"user", "title"}, s.Columns())
			require.NoError(t, s.Bind([]Column{{Index: 1}}))
			r := Record{Cells: make([]Cell, 1)}
			require.NoError(t, s.Next(&r))
			require.Equal(t, "Café “Zoë”", r.Cells[0].Text)
			require.Contains(t, strings.Join(s.Dialect(), ", "), "encoding "+strings.TrimSuffix(name, " with a mark"))
		})
	}
	require.ErrorContains(t, CheckEncoding("klingon"), `the encoding "klingon" is unknown`)
	require.NoError(t, CheckEncoding("latin1"))
}

func TestText_a_stray_byte_in_UTF8_is_not_another_encoding(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"a,b\n\xff,2\n", "a,é\nx\xe9y,2\n", "a,b\n" + strings.Repeat("é", examined)} {
		_, err := readContent(t, Auto, []byte(in))
		require.NoError(t, err)
	}
}

func TestText_is_decompressed(t *testing.T) {
	t.Parallel()
	packed, err := hex.DecodeString("425a6839314159265359bf87407f00000359000010000430003000200030c00869b28823278bb9229c28485fc3a03f80") // bzip2
	require.NoError(t, err)
	got := mustRead(t, Auto, packed)
	require.Equal(t, [][]Cell{{text("1"), text("2")}}, got.rows)
	require.Equal(t, []string{`separator ","`, "bzip2"}, got.dialect)
}
