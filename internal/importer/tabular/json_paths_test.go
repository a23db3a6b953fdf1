package tabular

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Columns within objects are read by their path, and every element of an array of
// objects is a row.
func TestJSONLines_reads_columns_within_objects(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		`{"user":{"id":"u1"},"event":"buy","items":[{"sku":"a","qty":1},{"sku":"b"}],"props":{"p":"x"}}`,
		`{"user":{"id":"u2"},"event":"view","items":[],"props":{"p":"y"}}`,
		`{"user":null,"event":"view","anonymous":"anon","props":{"p":{"deep":1}}}`,
		`{"user":{"id":"u4"},"event":"view","items":[{"sku":"c"}],"props":5}`,
	}, "\n")
	for name, in := range map[string]string{"one per line": text, "an array": "[" + strings.ReplaceAll(text, "\n", ",\n") + "]"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := OpenStream(t.Context(), "in", strings.NewReader(in), t.TempDir(), func(int64) {})
			require.NoError(t, err)
			defer f.Close()
			s, _, err := f.Records(Auto)
			require.NoError(t, err)
			defer s.Close()
			columns := s.Columns()
			for _, want := range []string{"user.id", "items[].sku", "items[].qty", "props.p"} {
				require.Contains(t, columns, want)
			}
			bind := func(cell int, name string) Column { return Column{Cell: cell, Index: 0, Name: name} }
			require.NoError(t, s.Bind([]Column{
				bind(0, "user.id"), bind(0, "anonymous"), bind(1, "items[].sku"), bind(1, "props.p"), bind(2, "event"), bind(3, "items[].qty"),
			}))
			var got []string
			rec := &Record{Cells: make([]Cell, 4)}
			for {
				err := s.Next(rec)
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				require.Empty(t, rec.Bad)
				require.EqualValues(t, len(got)+1, rec.Row)
				var cells []string
				for _, c := range rec.Cells {
					cells = append(cells, c.String())
				}
				got = append(got, strings.Join(cells, " "))
				rec.Cells[2] = Cell{} // the caller may change the cells
			}
			require.Equal(t, []string{"u1 a buy 1", "u1 b buy ", "u2 y view ", "anon  view ", "u4 c view "}, got)
		})
	}
}
