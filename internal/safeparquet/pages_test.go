package safeparquet_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/safeparquet"
	"github.com/recflow/recflow/internal/safeparquet/safeparquettest"
)

// readAll reads every page of every column and counts the values.
func readAll(content []byte, limits safeparquet.Limits) (values int64, err error) {
	file, err := safeparquet.Open(bytes.NewReader(content), int64(len(content)), limits)
	if err != nil {
		return 0, err
	}
	var leaves func(c *parquet.Column) error
	leaves = func(c *parquet.Column) error {
		for _, child := range c.Columns() {
			if err := leaves(child); err != nil {
				return err
			}
		}
		if !c.Leaf() {
			return nil
		}
		for group := range file.Metadata().RowGroups {
			n, err := readColumn(file, group, c)
			values += n
			if err != nil {
				return err
			}
		}
		return nil
	}
	return values, leaves(file.Root())
}

func readColumn(file *safeparquet.File, group int, leaf *parquet.Column) (values int64, err error) {
	pages, err := file.Pages(group, leaf)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pages.Close()) }()
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return values, err
		}
		values += page.NumValues()
		parquet.Release(page)
	}
}

// A crafted page would kill the process, and no other test would run.
func TestPages_reject_crafted_pages(t *testing.T) {
	for name, content := range safeparquettest.CraftedPages() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := readAll(content, safeparquet.Foreign)
			runtime.ReadMemStats(&after)
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
			assert.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(200), "MiB")
		})
	}
}

// row has columns of every shape.
type row struct {
	ID    string   `parquet:"id"`
	Note  *string  `parquet:"note,optional"`
	Tags  []string `parquet:"tags,list"`
	N     int64    `parquet:"n"`
	Small int32    `parquet:"small"`
	X     float64  `parquet:"x"`
	Yes   bool     `parquet:"yes"`
	UUID  [16]byte `parquet:"uuid"`
}

func rows() []row {
	out := make([]row, 5000)
	for n := range out {
		text := "text" + string(rune('a'+n%26))
		out[n] = row{ID: text, N: int64(n) * 1e9, Small: int32(n % 7), X: float64(n), Yes: n%3 == 0, UUID: [16]byte{byte(n)}}
		if n%5 > 0 {
			out[n].Note = &text
		}
		for range n % 4 {
			out[n].Tags = append(out[n].Tags, text)
		}
	}
	return out
}

var codecs = map[string]parquet.WriterOption{
	"uncompressed": parquet.Compression(&parquet.Uncompressed), "snappy": parquet.Compression(&parquet.Snappy), "gzip": parquet.Compression(&parquet.Gzip),
	"zstd": parquet.Compression(&parquet.Zstd), "brotli": parquet.Compression(&parquet.Brotli), "lz4": parquet.Compression(&parquet.Lz4Raw),
}

// TestPages_survive_damaged_files inverts bits at every position of small files. A bit
// may change a value; the reader must not panic, hang or allocate without limit.
func TestPages_survive_damaged_files(t *testing.T) {
	t.Parallel()
	for name, codec := range codecs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, version := range []int{1, 2} {
				var b bytes.Buffer
				require.NoError(t, parquet.Write(&b, rows()[:12], codec, parquet.DataPageVersion(version), parquet.PageBufferSize(256)))
				refused := 0
				for at := range b.Bytes() {
					damaged := bytes.Clone(b.Bytes())
					damaged[at] ^= []byte{0x01, 0x40, 0xff}[at%3]
					if _, err := readAll(damaged, safeparquet.Foreign); err != nil {
						refused++
					}
				}
				require.Greater(t, refused, b.Len()/3)
			}
		})
	}
}

func TestPages_read_what_other_writers_write(t *testing.T) {
	t.Parallel()
	type encoded struct {
		ID    string   `parquet:"id,delta"`
		Note  *string  `parquet:"note,optional,dict"`
		Tags  []string `parquet:"tags,list" parquet-element:",dict"`
		N     int64    `parquet:"n,delta"`
		Small int32    `parquet:"small,delta"`
		X     float64  `parquet:"x,split"`
		Yes   bool     `parquet:"yes"`
		UUID  [16]byte `parquet:"uuid,dict"`
	}
	all := rows()
	same := make([]encoded, len(all))
	for i, r := range all {
		same[i] = encoded(r)
	}
	want := int64(0)
	for _, r := range all {
		want += 7 + int64(max(1, len(r.Tags)))
	}
	for name, codec := range codecs {
		for _, version := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, size := range []int{256, 1 << 20} {
					options := []parquet.WriterOption{codec, parquet.DataPageVersion(version), parquet.PageBufferSize(size), parquet.MaxRowsPerRowGroup(3000)}
					var plain, other bytes.Buffer
					require.NoError(t, parquet.Write(&plain, all, options...))
					require.NoError(t, parquet.Write(&other, same, options...))
					for _, b := range []*bytes.Buffer{&plain, &other} {
						got, err := readAll(b.Bytes(), safeparquet.Foreign)
						require.NoError(t, err)
						require.Equal(t, want, got)
					}
				}
			})
		}
	}
}

// FuzzPages reads arbitrary data. It must not panic, hang or allocate without limit.
//
//	go test -run '^$' -fuzz FuzzPages -fuzztime 60s -fuzzminimizetime 10x ./internal/safeparquet
func FuzzPages(f *testing.F) {
	for _, content := range safeparquettest.CraftedPages() {
		f.Add(content)
	}
	for _, codec := range []parquet.WriterOption{parquet.Compression(&parquet.Uncompressed), parquet.Compression(&parquet.Lz4Raw), parquet.Compression(&parquet.Zstd)} {
		for _, version := range []int{1, 2} {
			var b bytes.Buffer
			require.NoError(f, parquet.Write(&b, rows()[:20], codec, parquet.DataPageVersion(version), parquet.PageBufferSize(256)))
			f.Add(b.Bytes())
		}
	}
	written, err := filepath.Glob("../trainingrun/testdata/spark-*/*.parquet")
	require.NoError(f, err)
	require.NotEmpty(f, written)
	for _, path := range written {
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		_, _ = readAll(content, safeparquet.Foreign)
	})
}
