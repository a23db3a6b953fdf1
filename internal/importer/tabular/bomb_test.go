package tabular

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// repeated writes a text of a few hundred MB, compressed.
func repeated(t *testing.T, packed, head, body, tail string) []byte {
	t.Helper()
	const size = 256 << 20
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	if packed == "gzip" {
		w, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	} else {
		w, err = zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest))
	}
	require.NoError(t, err)
	chunk := []byte(strings.Repeat(body, 1<<20/len(body)))
	_, _ = io.WriteString(w, head)
	for n := 0; n < size; n += len(chunk) {
		_, err = w.Write(chunk)
		require.NoError(t, err)
	}
	_, _ = io.WriteString(w, tail)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// A small file may unpack to any size. It is read in a memory that does not depend
// on it.
func TestSource_reads_what_unpacks_to_much_in_little_memory(t *testing.T) {
	if testing.Short() {
		t.Skip("unpacks 256 MiB for every case")
	}
	long := strings.Repeat("x", 200)
	for name, c := range map[string]struct {
		packed, head, body, tail string
		rows, bad                bool
		fails                    string
	}{
		"rows of CSV":        {packed: "zstd", head: "a,b\n", body: "u,\"" + long + "\"\n", rows: true},
		"one line of CSV":    {packed: "gzip", head: "a,b\n1,", body: "x", tail: "\n1,2\n", rows: true, bad: true},
		"a header":           {packed: "gzip", body: "a,", fails: "line is longer than 1 MiB"},
		"an open quote":      {packed: "gzip", head: "a,b\n1,\"", body: long + "\n", bad: true},
		"blank lines":        {packed: "zstd", head: "{\"a\":1}\n", body: strings.Repeat(" ", 100) + "\n", tail: "{\"a\":1}\n", rows: true},
		"rows of JSON":       {packed: "zstd", body: "{\"a\":\"" + long + "\"}\n", rows: true},
		"one line of JSON":   {packed: "gzip", head: "{\"a\":1}\n{\"a\":\"", body: "x", tail: "\"}\n{\"a\":1}\n", rows: true, bad: true},
		"an array":           {packed: "zstd", head: "[{\"a\":1}", body: ",{\"a\":\"" + long + "\"}", tail: "]", rows: true},
		"a value of JSON":    {packed: "gzip", head: "[{\"a\":1},{\"a\":\"", body: "x", tail: "\"}]", rows: true, bad: true},
		"an open value":      {packed: "gzip", head: "[{\"a\":1},{\"a\":\"", body: "x", fails: "the file ends inside a JSON value"},
		"deep JSON":          {packed: "gzip", head: "{\"a\":1}\n{\"a\":", body: "[", tail: "\n{\"a\":1}\n", rows: true, bad: true},
		"spaces between":     {packed: "gzip", head: "[{\"a\":1}", body: " ", tail: "]", rows: true},
		"other keys in rows": {packed: "zstd", head: "{\"a\":1}\n", body: "{\"a\":{\"b\":[1,{\"c\":\"" + long + "\"}]}}\n", rows: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := openContent(t, "in", repeated(t, c.packed, c.head, c.body, c.tail))
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			before, most := m.HeapAlloc, uint64(0)
			s, _, err := f.Records(Auto)
			rows, bad := 0, 0
			if err == nil {
				defer s.Close()
				require.NoError(t, s.Bind([]Column{{Index: 0, Name: "a"}}))
				r := Record{Cells: make([]Cell, 1)}
				for err == nil {
					if err = s.Next(&r); err == nil && r.Bad != "" {
						bad++
					} else if err == nil {
						rows++
					}
					if (rows+bad)%(1<<20) == 1 || err != nil {
						runtime.ReadMemStats(&m)
						most = max(most, m.HeapAlloc)
					}
				}
			}
			if c.fails == "" {
				require.ErrorIs(t, err, io.EOF)
			} else {
				require.ErrorContains(t, err, c.fails)
			}
			runtime.ReadMemStats(&m)
			require.Less(t, int64(max(most, m.HeapAlloc))-int64(before), int64(48<<20)) //nolint:gosec // both are small
			if c.fails != "" {
				return
			}
			require.Equal(t, c.rows, rows > 0)
			require.Equal(t, c.bad, bad > 0)
		})
	}
}
