package safeparquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// unpack decompresses the data of a page into dst, which has the size that the page
// claims. Most decoders of parquet-go allocate until the data ends, and the one for
// LZ4 until it is valid.
func unpack(dst, data []byte, codec format.CompressionCodec) error {
	var n int
	var err error
	switch codec {
	case format.Snappy:
		var got []byte
		if n, err = snappy.DecodedLen(data); err == nil && n <= len(dst) {
			got, err = snappy.Decode(dst, data)
			n = len(got)
		}
	case format.Gzip:
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(data)); err == nil {
			n, err = fill(dst, z)
		}
	case format.Brotli:
		n, err = fill(dst, brotli.NewReader(bytes.NewReader(data)))
	case format.Zstd:
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow)); err == nil {
			n, err = fill(dst, z)
			z.Close()
		}
	case format.Lz4Raw:
		n, err = lz4.UncompressBlock(data, dst)
	default:
		return fmt.Errorf("compression %s is not supported", codec)
	}
	switch {
	case err != nil:
		return fmt.Errorf("a page cannot be decompressed: %w", err)
	case n != len(dst):
		return fmt.Errorf("a page decompresses to %d bytes or more and claims %d", n, len(dst))
	}
	return nil
}

// maxWindow is the memory of a zstd decoder, in bytes. Writers use 8 MiB at most.
const maxWindow = 64 << 20

// fill reads dst and returns the number of bytes in r, at most one more than dst has.
func fill(dst []byte, r io.Reader) (int, error) {
	n, err := io.ReadFull(r, dst)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	var more [1]byte
	extra, err := io.ReadFull(r, more[:])
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n + extra, err
}
