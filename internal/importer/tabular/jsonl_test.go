package tabular

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONLines_reads_every_way_of_writing_objects(t *testing.T) {
	t.Parallel()
	want := [][]Cell{{text("x"), text("1")}, {text("y"), {}}, {text("z"), text("3")}}
	for name, c := range map[string]struct{ in, dialect string }{
		"lines":                   {"{\"a\":\"x\",\"b\":1}\n\n{\"a\":\"y\"}\r\n{\"a\":\"z\",\"b\":3}", "one object per line"},
		"an array":                {"[{\"a\":\"x\",\"b\":1},\n{\"a\":\"y\"},{\"a\":\"z\",\"b\":3}]\n", "a JSON array"},
		"a pretty-printed array":  {" [\n  {\n    \"a\": \"x\",\n    \"b\": 1\n  },\n  {\"a\": \"y\"},\n  {\n\"a\":\"z\",\"b\":3}\n]", "a JSON array"},
		"arrays":                  {"[{\"a\":\"x\",\"b\":1}]\n[{\"a\":\"y\"},{\"a\":\"z\",\"b\":3}]", "a JSON array"},
		"pretty-printed objects":  {"{\n  \"a\": \"x\",\n  \"b\": 1\n}\n{\n  \"a\": \"y\"\n}\n{\"a\":\"z\",\"b\":3}\n", "objects one after the other"},
		"objects without breaks":  {"{\"a\":\"x\",\"b\":1}{\"a\":\"y\"} {\"a\":\"z\",\"b\":3}", "objects one after the other"},
		"objects between commas":  {"{\"a\":\"x\",\"b\":1},\n{\"a\":\"y\"},\n{\"a\":\"z\",\"b\":3}\n", "objects one after the other"},
		"text that has brackets":  {"[{\"a\":\"x\",\"b\":1,\"c\":\"}]\\\"\"},{\"a\":\"y\",\"c\":\"[{\"},{\"a\":\"z\",\"b\":3}]", "a JSON array"},
		"a byte order mark":       {"\ufeff{\"a\":\"x\",\"b\":1}\n{\"a\":\"y\"}\n{\"a\":\"z\",\"b\":3}\n", "one object per line"},
		"NaN in a key not mapped": {"{\"a\":\"x\",\"b\":1,\"c\":NaN}\n{\"a\":\"y\",\"c\":[-Infinity]}\n{\"a\":\"z\",\"b\":3}\n", "one object per line"},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustRead(t, Auto, []byte(c.in))
			for i := range got.rows {
				got.rows[i] = got.rows[i][:2]
			}
			require.Equal(t, want, got.rows)
			require.Equal(t, []string{c.dialect}, got.dialect)
		})
	}
}

func TestJSONLines_values(t *testing.T) {
	t.Parallel()
	invalid := func(why string) Cell { return Cell{Kind: CellInvalid, Text: why} }
	at := func(micros int64) Cell { return Cell{Kind: CellTime, Time: micros} }
	for in, want := range map[string]Cell{
		`"x"`: text("x"), `""`: {}, `null`: {}, `true`: text("true"), `"é\n\u00e9\ud83d\ude00\/"`: text("é\né😀/"), `"\ud83d"`: cellSurrogate,
		`12345678901234567890123`: text("12345678901234567890123"), `123.0`: text("123.0"), `1e3`: text("1e3"), `-0.5E+2`: text("-0.5E+2"),
		`NaN`: {}, `Infinity`: invalid("is Infinity"), `-Infinity`: invalid("is -Infinity"),
		`["a","b"]`: list("a", "b"), `[]`: {}, `[1,2.50,true,null,"x"]`: list("1", "2.50", "true", "x"), `[["a"],["b","c"]]`: list("a", "b", "c"),
		`[{"id":27,"name":"Horror"},{"$oid":"5f"}]`: list("Horror", "5f"), `[{"id":27}]`: cellObject, `{"a":1}`: cellObject, `{}`: cellObject,
		`{"$oid":"507f1f77bcf86cd799439011"}`: text("507f1f77bcf86cd799439011"), `{"$numberLong":"9223372036854775807"}`: text("9223372036854775807"),
		`{"$numberInt":"7"}`: text("7"), `{"$numberDouble":"4.5"}`: text("4.5"), `{"$numberDouble":"NaN"}`: {},
		`{"$numberDouble":"Infinity"}`: invalid("is Infinity"), `{"$numberDecimal":"4.50"}`: text("4.50"),
		`{"$numberInt":"seven"}`:                    invalid("is a $number that is not a number"),
		`{"$date":"2026-01-01T00:00:00.5Z"}`:        at(1767225600500000),
		`{"$date":{"$numberLong":"1767225600000"}}`: at(1767225600000000),
		`{"$date":1767225600000}`:                   at(1767225600000000),
		`{"$date":"yesterday"}`:                     invalid(`"yesterday" is not a time; use ISO 8601 or seconds since 1970, or name its form with --time-format`),
		`{"$ref":"x"}`:                              cellObject,
	} {
		t.Run(in, func(t *testing.T) {
			got := mustRead(t, JSONL, []byte(`{"x":`+in+"}\n"))
			require.Equal(t, []Cell{want}, column(got))
		})
	}
}

func TestJSONLines_rejects_only_the_rows_that_are_none(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	rows := []string{`{"a":1}`, `{"a":1,"a":2}`, `{"a":1 "b":2}`, `12`, `null`, `{"a":"` + "\xff" + `"}`, `{"a":` + deep + `}`, `{"a":01}`, `{"a":1}`}
	want := []string{
		`has the field "a" twice`, "is not a JSON object: byte 8 should be a comma or }", "is not a JSON object but another value",
		"is not a JSON object but another value", "is not valid UTF-8", "is not a JSON object: it is nested more than 200 deep",
		"is not a JSON object: byte 7 should be a comma or }",
	}
	for name, in := range map[string]string{"lines": strings.Join(rows, "\n"), "array": "[" + strings.Join(rows, ",\n") + "]"} {
		t.Run(name, func(t *testing.T) {
			got, err := readContent(t, JSONL, []byte(in))
			require.NoError(t, err)
			require.Equal(t, want, got.bad)
			require.Equal(t, []Cell{text("1"), text("1")}, column(got))
		})
	}
}

func TestJSONLines_a_value_over_the_limit_is_rejected_alone(t *testing.T) {
	t.Parallel()
	long := `{"a":"` + strings.Repeat("x", 3*maxRecord) + `"}`
	for _, in := range []string{`{"a":"1"}` + "\n" + long + "\n" + `{"a":"2"}`, `[{"a":"1"},` + long + `,{"a":"2"}]`} {
		got, err := readContent(t, Auto, []byte(in))
		require.NoError(t, err)
		require.Equal(t, []Cell{text("1"), text("2")}, column(got))
		require.Len(t, got.bad, 1)
		require.Contains(t, got.bad[0], "is longer than 1 MiB")
		require.Less(t, len(got.raw[1]), 2*maxRaw)
	}
}

func TestJSONLines_an_array_that_is_cut_off_is_an_error(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[{"a":1},{"a":2}`: "the JSON array is not closed; the file is truncated", `[{"a":1},{"a":`: "the file ends inside a JSON value; it is truncated",
		`[{"a":1}]]`: "a JSON array ends that did not begin", `[{"a":1},[{"a":2}]]`: "is an array of arrays",
	} {
		_, err := readContent(t, Auto, []byte(in))
		require.ErrorContains(t, err, want)
	}
}

func TestJSONLines_columns_grow_by_keys_that_appear_later(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&in, "{\"b\":%d,\"a\":1}\n", i)
	}
	in.WriteString("{\"a\":2,\"stars\":4,\"late\":1}\n{\"stars\":5}\n")
	s, _, err := openContent(t, "in", []byte(in.String())).Records(Auto)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, s.Columns())
	require.NoError(t, s.Bind([]Column{{Cell: 0, Index: -1, Name: "late"}}))
	r := Record{Cells: make([]Cell, 1)}
	for err == nil {
		err = s.Next(&r)
		if r.Row == 5001 {
			require.Equal(t, text("1"), r.Cells[0])
		}
	}
	require.Equal(t, []string{"a", "b", "stars", "late"}, s.Columns())
}

func TestJSONLines_limits_the_columns(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range 2 * maxKeys {
		fmt.Fprintf(&in, "{\"user\":\"u\",\"key %d\":1,%q:1}\n", i, strings.Repeat("k", 300))
	}
	s, _, err := openContent(t, "in", []byte(in.String())).Records(Auto)
	require.NoError(t, err)
	for r := (Record{}); err == nil; {
		err = s.Next(&r)
	}
	require.Len(t, s.Columns(), maxKeys)
}

// The scanner accepts exactly what encoding/json does, except for its three
// numbers and up to its depth.
func FuzzJSON(f *testing.F) {
	for _, in := range []string{`{"a":[1,-2.5e+3,true,null,{"b":"\u00e9\n"}]}`, `[[]]`, `"\ud83d\ude00"`, `{"a":01}`, `{"a":"\x"}`, ` { } `, `-`, `1.`, `{"a",}`, "\"\x01\""} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p := jsonScanner{b: in}
		value, err := p.value()
		p.space()
		valid := err == nil && p.i == len(in)
		if strings.Contains(string(in), "NaN") || strings.Contains(string(in), "Infinity") || strings.Count(string(in), "[")+strings.Count(string(in), "{") > 100 {
			return
		}
		require.Equal(t, json.Valid(in), valid, "%q: %v", in, err)
		if valid && value[0] == '"' {
			var want string
			require.NoError(t, json.Unmarshal(value, &want))
			if got, ok := unescape(nil, value[1:len(value)-1]); ok && json.Valid(in) && !strings.ContainsRune(want, '\uFFFD') {
				require.Equal(t, want, string(got))
			}
		}
	})
}
