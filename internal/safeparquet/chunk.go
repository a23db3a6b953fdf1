package safeparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// CheckChunk walks the page headers of a column of a row group and checks that they
// are consistent with each other, with the metadata and with the limits. It reads
// only the headers, not the data, which Pages checks.
func (f *File) CheckChunk(group int, leaf *parquet.Column) (err error) {
	defer Recovered(&err)
	meta, err := f.chunk(group, leaf)
	if err != nil {
		return err
	}
	return f.checkChunk(meta, f.Metadata().RowGroups[group].NumRows, leaf.MaxRepetitionLevel() == 0)
}

func (f *File) checkChunk(meta *format.ColumnMetaData, rows int64, flat bool) error {
	pos, end, err := f.extent(meta)
	if err != nil {
		return err
	}
	if flat && meta.NumValues != rows {
		return fmt.Errorf("it claims %d values for %d rows", meta.NumValues, rows)
	}
	var values, dataPages int64
	for pos < end {
		p, next, err := f.page(meta.Codec, pos, end)
		if err != nil {
			return err
		}
		if err := p.checkSize(f.in); err != nil {
			return err
		}
		pos = next
		count := int64(p.values)
		if p.header.Type != format.DictionaryPage {
			values += count
			dataPages++
		} else if dataPages > 0 {
			return errors.New("a dictionary follows a data page")
		}
	}
	if values != meta.NumValues {
		return fmt.Errorf("its pages have %d values and it claims %d", values, meta.NumValues)
	}
	return nil
}

// extent returns where the pages of a column chunk begin and end.
func (f *File) extent(meta *format.ColumnMetaData) (pos, end int64, err error) {
	pos = meta.DataPageOffset
	if meta.DictionaryPageOffset != 0 {
		pos = meta.DictionaryPageOffset
	}
	if pos < 4 || meta.TotalCompressedSize < 0 || meta.TotalCompressedSize > f.size || pos > f.size-meta.TotalCompressedSize {
		return 0, 0, errors.New("its data is outside the file")
	}
	return pos, pos + meta.TotalCompressedSize, nil
}

// page is the header of a page, after it was compared with the limits.
type page struct {
	header     *format.PageHeader
	pos        int64 // of the data
	codec      format.CompressionCodec
	values     int32
	encoding   format.Encoding
	levels     int32 // bytes of the levels of a data page v2, which are not compressed
	compressed bool
}

// page reads the header at pos of a column chunk that ends at end, and returns the
// position after the page.
func (f *File) page(codec format.CompressionCodec, pos, end int64) (p page, next int64, err error) {
	header, n, err := readHeader(f.in, pos, end)
	if err != nil {
		return page{}, 0, err
	}
	pos += int64(n)
	if int64(header.CompressedPageSize) > end-pos {
		return page{}, 0, errors.New("a page extends beyond its column")
	}
	p, err = newPage(header, codec, f.limits)
	p.pos = pos
	return p, pos + int64(header.CompressedPageSize), err
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
		data = make([]byte, min(maxPageHeader, end-pos))
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

// newPage compares the header of a page with the limits.
func newPage(h *format.PageHeader, codec format.CompressionCodec, limits Limits) (page, error) {
	p := page{header: h, codec: codec, compressed: codec != format.Uncompressed}
	if h.CompressedPageSize < 0 || h.CompressedPageSize > limits.PageBytes ||
		h.UncompressedPageSize < 0 || h.UncompressedPageSize > limits.PageBytes {
		return page{}, fmt.Errorf("a page claims %d bytes, %d uncompressed; at most %d are accepted",
			h.CompressedPageSize, h.UncompressedPageSize, limits.PageBytes)
	}
	parts := 0
	for _, valid := range []bool{h.DictionaryPageHeader.Valid, h.DataPageHeader.Valid, h.DataPageHeaderV2.Valid} {
		if valid {
			parts++
		}
	}
	dictionary := false
	switch {
	case parts > 1: // parquet-go may use another one than that of the type
		return page{}, errors.New("a page header is inconsistent")
	case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid:
		p.values, p.encoding, dictionary = h.DictionaryPageHeader.V.NumValues, h.DictionaryPageHeader.V.Encoding, true
	case h.Type == format.DataPage && h.DataPageHeader.Valid:
		p.values, p.encoding = h.DataPageHeader.V.NumValues, h.DataPageHeader.V.Encoding
	case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
		v2 := &h.DataPageHeaderV2.V
		p.values, p.encoding = v2.NumValues, v2.Encoding
		rep, def := v2.RepetitionLevelsByteLength, v2.DefinitionLevelsByteLength
		if rep < 0 || def < 0 || rep > h.CompressedPageSize || def > h.CompressedPageSize-rep || v2.NumNulls < 0 || v2.NumNulls > p.values {
			return page{}, errors.New("a page header is inconsistent")
		}
		p.levels = rep + def
		p.compressed = p.compressed && (!v2.IsCompressed.Valid || v2.IsCompressed.V)
	default:
		return page{}, fmt.Errorf("a page of type %s is not supported", h.Type)
	}
	if p.values < 0 || p.values > limits.PageValues {
		return page{}, fmt.Errorf("a page claims %d values; at most %d are accepted", p.values, limits.PageValues)
	}
	switch p.encoding {
	case format.Plain, format.PlainDictionary: //nolint:staticcheck // deprecated, and what Spark writes
	default:
		if dictionary || p.encoding != format.RLEDictionary && !slices.Contains(limits.Encodings, p.encoding) {
			return page{}, fmt.Errorf("encoding %s is not supported", p.encoding)
		}
	}
	return p, nil
}

// unpacked returns the number of bytes of the data after decompression, without the
// levels of a data page v2.
func (p page) unpacked() int64 { return int64(p.header.UncompressedPageSize) - int64(p.levels) }

// checkSize checks that the page decompresses to the size in its header, if the size
// is known before: snappy data begins with its decompressed size, which is what the
// decoder allocates.
func (p page) checkSize(r io.ReaderAt) error {
	length := uint64(p.header.CompressedPageSize - p.levels)
	if p.compressed && p.codec != format.Snappy {
		length = uint64(max(0, p.unpacked())) // see unpack
	} else if p.compressed && length > 0 {
		var data [binary.MaxVarintLen32]byte
		prefix := data[:min(uint64(len(data)), length)]
		if err := readFull(r, prefix, p.pos+int64(p.levels)); err != nil {
			return err
		}
		length, _ = binary.Uvarint(prefix)
	}
	if want := p.unpacked(); want < 0 || length != uint64(want) {
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

// StorageError is a failure of the storage, not of the file.
type StorageError struct{ err error }

func (e *StorageError) Error() string { return e.err.Error() }
func (e *StorageError) Unwrap() error { return e.err }

// storage marks the errors of a reader as StorageErrors.
type storage struct{ io.ReaderAt }

func (s storage) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &StorageError{err}
	}
	return n, err
}
