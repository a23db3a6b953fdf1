package safeparquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// Pages reads the pages of a column chunk. It decompresses each page once more, to
// check its claims before parquet-go decodes it. It is not safe for concurrent use.
type Pages struct {
	file     *File
	leaf     *parquet.Column
	codec    format.CompressionCodec
	pages    parquet.Pages
	pos, end int64 // of the pages that were not checked yet

	data, plain []byte // memory of a page
}

// Pages returns the pages of a column of a row group. The caller closes them.
func (f *File) Pages(group int, leaf *parquet.Column) (p *Pages, err error) {
	defer Recovered(&err)
	meta, err := f.chunk(group, leaf)
	if err != nil {
		return nil, err
	}
	pos, end, err := f.extent(meta)
	if err != nil {
		return nil, err
	}
	return &Pages{file: f, leaf: leaf, codec: meta.Codec, pages: f.RowGroups()[group].ColumnChunks()[leaf.Index()].Pages(), pos: pos, end: end}, nil
}

// ReadPage returns the next data page, which the caller releases, or io.EOF.
func (p *Pages) ReadPage() (read parquet.Page, err error) {
	defer Recovered(&err)
	for p.pos < p.end {
		page, next, err := p.file.page(p.codec, p.pos, p.end)
		if err != nil {
			return nil, err
		}
		if err := p.check(page); err != nil {
			return nil, err
		}
		p.pos = next
		if page.header.Type != format.DictionaryPage {
			break
		}
	}
	return p.pages.ReadPage()
}

// Close closes the pages. Those that were returned remain valid.
func (p *Pages) Close() (err error) {
	defer Recovered(&err)
	return p.pages.Close()
}

// check checks the data of a page.
func (p *Pages) check(h page) error {
	if err := h.checkSize(p.file.in); err != nil {
		return err
	}
	p.data = sized(p.data, int(h.header.CompressedPageSize))
	if err := readFull(p.file.in, p.data, h.pos); err != nil {
		return err
	}
	levels, data := p.data[:h.levels], p.data[h.levels:]
	if h.compressed {
		p.plain = sized(p.plain, int(h.unpacked()))
		if len(data) > 0 || len(p.plain) > 0 {
			if err := unpack(p.plain, data, h.codec); err != nil {
				return err
			}
		}
		data = p.plain
	}
	var err error
	switch h.header.Type {
	case format.DictionaryPage:
		return p.checkWidth(h)
	case format.DataPageV2:
		err = p.checkLevelsV2(levels, h)
	default:
		data, err = p.checkLevelsV1(data, h)
	}
	if err != nil {
		return err
	}
	return p.checkValues(data, h)
}

// sized returns n bytes, in the memory of old if it is large enough.
func sized(old []byte, n int) []byte {
	if cap(old) < n {
		return make([]byte, n)
	}
	return old[:n]
}

// widthOf returns the bits of a level.
func widthOf(maxLevel int) int { return bits.Len(uint(maxLevel)) }

// checkLevelsV1 checks the levels at the beginning of a data page v1 and returns the
// data after them.
func (p *Pages) checkLevelsV1(data []byte, h page) ([]byte, error) {
	v1 := &h.header.DataPageHeader.V
	for _, l := range []struct {
		most     int
		encoding format.Encoding
	}{
		{p.leaf.MaxRepetitionLevel(), v1.RepetitionLevelEncoding},
		{p.leaf.MaxDefinitionLevel(), v1.DefinitionLevelEncoding},
	} {
		if l.most == 0 {
			continue
		}
		if l.encoding != format.RLE {
			return nil, errors.New("a page has levels that are not encoded as RLE")
		}
		levels, rest, err := prefixed(data)
		if err != nil {
			return nil, err
		}
		if err := checkRuns(levels, widthOf(l.most), h.values); err != nil {
			return nil, err
		}
		data = rest
	}
	return data, nil
}

// prefixed splits data after the bytes whose number is in the first four.
func prefixed(data []byte) (first, rest []byte, err error) {
	if len(data) < 4 {
		return nil, nil, errPageShort
	}
	n := binary.LittleEndian.Uint32(data)
	if data = data[4:]; uint64(n) > uint64(len(data)) {
		return nil, nil, errPageShort
	}
	return data[:n], data[n:], nil
}

var errPageShort = errors.New("a page is too short for what it claims")

func (p *Pages) checkLevelsV2(levels []byte, h page) error {
	repetition := h.header.DataPageHeaderV2.V.RepetitionLevelsByteLength
	if err := checkRuns(levels[:repetition], widthOf(p.leaf.MaxRepetitionLevel()), h.values); err != nil {
		return err
	}
	return checkRuns(levels[repetition:], widthOf(p.leaf.MaxDefinitionLevel()), h.values)
}

// checkValues checks the values of a data page. Plain values have the size of their
// data.
func (p *Pages) checkValues(data []byte, h page) error {
	switch h.encoding {
	case format.PlainDictionary, format.RLEDictionary: //nolint:staticcheck // deprecated, and what Spark writes
		if len(data) == 0 {
			return nil
		}
		return checkRuns(data[1:], int(data[0]), h.values)
	case format.RLE: // of booleans
		runs, _, err := prefixed(data)
		if err != nil {
			return err
		}
		return checkRuns(runs, 1, h.values)
	case format.DeltaBinaryPacked, format.DeltaLengthByteArray:
		if _, err := checkDelta(data, h.values); err != nil {
			return err
		}
	case format.DeltaByteArray:
		if err := checkDeltaBytes(data, h.values, p.file.limits.PageBytes); err != nil {
			return err
		}
	}
	return p.checkWidth(h)
}

// checkWidth checks the size of values of a fixed width after decoding.
func (p *Pages) checkWidth(h page) error {
	var width int64 // bytes
	switch t := p.leaf.Type(); t.Kind() {
	case parquet.Int32, parquet.Float:
		width = 4
	case parquet.Int64, parquet.Double:
		width = 8
	case parquet.Int96:
		width = 12
	case parquet.FixedLenByteArray:
		width = int64(t.Length())
	}
	if width < 0 || width*int64(h.values) > int64(p.file.limits.PageBytes) {
		return fmt.Errorf("a page claims %d values of %d bytes", h.values, width)
	}
	return nil
}
