// Package safeparquet opens Parquet files that are not trusted. parquet-go
// allocates what a file claims, and an allocation that fails ends the process
// beyond any recover: 5 bytes in a footer can request a terabyte, and 6 bytes in a
// page 2 billion values. This package checks every claim before parquet-go sees it
// (docs/decisions/0009-reading-untrusted-parquet.md). What the values mean is
// checked by the callers.
package safeparquet

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/recflow/recflow/internal/panics"
)

// Limits are the limits of a kind of files. They bound the memory that a hostile
// file can make a reader allocate.
type Limits struct {
	FooterBytes int64             // length of the footer
	FooterItems int               // list elements in the footer, of at most about 600 bytes each once decoded
	PageBytes   int32             // bytes of a page, compressed or not
	PageValues  int32             // values of a page, including nulls
	Encodings   []format.Encoding // of values, besides PLAIN and dictionaries
	Codecs      []format.CompressionCodec
}

// Foreign are the limits of files that recflow did not write, such as files of
// events. Some writers put a whole row group into a page.
var Foreign = Limits{
	FooterBytes: MaxFooterBytes,
	FooterItems: 1 << 20,
	PageBytes:   256 << 20,
	PageValues:  64 << 20,
	Encodings:   []format.Encoding{format.RLE, format.DeltaBinaryPacked, format.DeltaLengthByteArray, format.DeltaByteArray, format.ByteStreamSplit},
	Codecs:      []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Zstd, format.Brotli, format.Lz4Raw},
}

// MaxFooterBytes is the maximum footer length of a foreign file.
const MaxFooterBytes = 64 << 20

// Limits on the header of a page, and on the schema.
const (
	maxPageHeader     = 64 << 10 // bytes; the writer limits the statistics in it
	maxSchemaElements = 20_000
	maxSchemaDepth    = 32
)

// File is an open Parquet file. Read its pages with Pages only: those of
// parquet.File are not checked.
type File struct {
	*parquet.File

	in     io.ReaderAt
	size   int64
	limits Limits
}

// Open checks the footer of the file in r, which is size bytes long, and opens the
// file.
func Open(r io.ReaderAt, size int64, limits Limits, options ...parquet.FileOption) (f *File, err error) {
	defer Recovered(&err)
	in := storage{r}
	if err := checkFooter(in, size, limits); err != nil {
		return nil, err
	}
	options = append(options, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	file, err := parquet.OpenFile(in, size, options...)
	if err != nil {
		return nil, err
	}
	return &File{File: file, in: in, size: size, limits: limits}, nil
}

// Recovered turns a panic of parquet-go, which panics on some invalid input, into an
// error with the stack. Defer it in the goroutine that calls parquet-go.
func Recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the Parquet data is malformed: %w", panics.New(p))
	}
}

// chunk returns the metadata of a column of a row group.
func (f *File) chunk(group int, leaf *parquet.Column) (*format.ColumnMetaData, error) {
	groups := f.Metadata().RowGroups
	if group < 0 || group >= len(groups) || leaf.Index() >= len(groups[group].Columns) {
		return nil, errors.New("the column is missing in a row group")
	}
	chunk := &groups[group].Columns[leaf.Index()]
	if chunk.FilePath != "" {
		return nil, errors.New("its data is in another file")
	}
	if first := &groups[0].Columns[leaf.Index()]; chunk.MetaData.Codec != first.MetaData.Codec {
		return nil, fmt.Errorf("its compression changes in row group %d", group)
	}
	if !slices.Contains(f.limits.Codecs, chunk.MetaData.Codec) {
		return nil, fmt.Errorf("compression %s is not supported", chunk.MetaData.Codec)
	}
	return &chunk.MetaData, nil
}
