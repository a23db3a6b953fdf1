package trainingrun

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// checkChunk walks the page headers of one column chunk and checks that they
// are consistent with each other, with the chunk and with the limits. It reads
// only the headers, not the data.
func checkChunk(r io.ReaderAt, size int64, meta *format.ColumnMetaData, rows int64, flat bool) error {
	pos := meta.DataPageOffset
	if meta.DictionaryPageOffset != 0 {
		pos = meta.DictionaryPageOffset
	}
	if pos < 4 || meta.TotalCompressedSize < 0 || meta.TotalCompressedSize > size || pos > size-meta.TotalCompressedSize {
		return errors.New("its data is outside the file")
	}
	if meta.Codec != format.Snappy && meta.Codec != format.Uncompressed {
		return fmt.Errorf("compression %s is not supported; write snappy", meta.Codec)
	}
	if flat && meta.NumValues != rows {
		return fmt.Errorf("it claims %d values for %d rows", meta.NumValues, rows)
	}
	var values, dataPages int64
	for end := pos + meta.TotalCompressedSize; pos < end; {
		header, n, err := readHeader(r, pos, end)
		if err != nil {
			return err
		}
		pos += int64(n)
		if int64(header.CompressedPageSize) > end-pos {
			return errors.New("a page extends beyond its column")
		}
		count, err := checkPage(r, pos, header, meta.Codec)
		if err != nil {
			return err
		}
		if header.Type != format.DictionaryPage {
			values += count
			dataPages++
		} else if dataPages > 0 {
			return errors.New("a dictionary follows a data page")
		}
		pos += int64(header.CompressedPageSize)
	}
	if values != meta.NumValues {
		return fmt.Errorf("its pages have %d values and it claims %d", values, meta.NumValues)
	}
	return nil
}

// readHeader decodes the page header at pos and returns its length. Nearly all
// headers fit into the first, small read.
func readHeader(r io.ReaderAt, pos, end int64) (*format.PageHeader, int, error) {
	var small [512]byte
	data := small[:min(int64(len(small)), end-pos)]
	if err := readFull(r, data, pos); err != nil {
		return nil, 0, err
	}
	n, err := thriftSize(data, 16)
	if errors.Is(err, errThriftShort) && end-pos > int64(len(small)) {
		data = make([]byte, min(maxHeaderBytes, end-pos))
		if err := readFull(r, data, pos); err != nil {
			return nil, 0, err
		}
		n, err = thriftSize(data, 16)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("a page header is malformed: %w", err)
	}
	header := new(format.PageHeader)
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, data[:n], header); err != nil {
		return nil, 0, fmt.Errorf("a page header is malformed: %w", err)
	}
	return header, n, nil
}

// checkPage checks the header of the page whose data begins at pos and returns
// the number of values that it claims.
func checkPage(r io.ReaderAt, pos int64, h *format.PageHeader, codec format.CompressionCodec) (int64, error) {
	if h.CompressedPageSize < 0 || h.CompressedPageSize > maxPageBytes ||
		h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPageBytes {
		return 0, fmt.Errorf("a page claims %d bytes, %d uncompressed; at most %d are accepted",
			h.CompressedPageSize, h.UncompressedPageSize, maxPageBytes)
	}
	var values, levels int32
	var encoding format.Encoding
	compressed := codec != format.Uncompressed
	switch {
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		values, encoding = h.DictionaryPageHeader.V.NumValues, h.DictionaryPageHeader.V.Encoding
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		values, encoding = h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		v2 := &h.DataPageHeaderV2.V
		values, encoding = v2.NumValues, v2.Encoding
		rep, def := v2.RepetitionLevelsByteLength, v2.DefinitionLevelsByteLength
		if rep < 0 || def < 0 || rep > h.CompressedPageSize || def > h.CompressedPageSize-rep || v2.NumNulls < 0 || v2.NumNulls > values {
			return 0, errors.New("a page header is inconsistent")
		}
		levels = rep + def
		compressed = compressed && (!v2.IsCompressed.Valid || v2.IsCompressed.V)
	default:
		return 0, fmt.Errorf("a page of type %s is not supported", h.Type)
	}
	if values < 0 || values > maxPageValues {
		return 0, fmt.Errorf("a page claims %d values; at most %d are accepted", values, maxPageValues)
	}
	switch encoding {
	case format.Plain, format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // deprecated, and what Spark writes
	default:
		return 0, fmt.Errorf("encoding %s is not supported", encoding)
	}
	return int64(values), checkPageSize(r, pos, h, levels, compressed)
}

// checkPageSize checks that the page decompresses to the size in its header.
// Snappy data begins with its decompressed size, which is what the decoder
// allocates.
func checkPageSize(r io.ReaderAt, pos int64, h *format.PageHeader, levels int32, compressed bool) error {
	length := uint64(h.CompressedPageSize - levels)
	if compressed && length > 0 {
		var data [binary.MaxVarintLen32]byte
		prefix := data[:min(uint64(len(data)), length)]
		if err := readFull(r, prefix, pos+int64(levels)); err != nil {
			return err
		}
		length, _ = binary.Uvarint(prefix)
	}
	if want := int64(h.UncompressedPageSize) - int64(levels); want < 0 || length != uint64(want) {
		return fmt.Errorf("a page decompresses to %d bytes and claims %d", length, want)
	}
	return nil
}

// readFull reads all of p at offset off.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// storageError is a failure of the storage, not of the file.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

// storage marks the errors of a reader as storage errors.
type storage struct{ io.ReaderAt }

func (s storage) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &storageError{err}
	}
	return n, err
}
