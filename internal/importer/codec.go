package importer

import (
	"encoding/binary"
	"math"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

// The spill's encoding of rows. It is used only within the process: lengths are
// not checked, and there is no version.

const (
	hasID = 1 << iota
	hasValue
	hasSession
	hasRecommendation
	isAvailable
)

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendEvent encodes an event. An id that is derived from the row is omitted:
// it would be half of the bytes, and computing it later uses all cores.
func appendEvent(b []byte, e *mapping.Event) []byte {
	var flags byte
	if e.HasID {
		flags |= hasID
	}
	if e.Value != nil {
		flags |= hasValue
	}
	if e.SessionID != "" {
		flags |= hasSession
	}
	if e.RecommendationID != "" {
		flags |= hasRecommendation
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(e.Row))
	b = binary.AppendUvarint(b, uint64(e.At))
	b = appendString(b, e.UserID)
	b = appendString(b, e.ItemID)
	b = appendString(b, e.EventType)
	if e.HasID {
		b = appendString(b, e.EventID)
	}
	if e.Value != nil {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*e.Value))
	}
	if e.SessionID != "" {
		b = appendString(b, e.SessionID)
	}
	if e.RecommendationID != "" {
		b = appendString(b, e.RecommendationID)
	}
	return b
}

// rows iterates over encoded rows; strings share its text.
type rows string

func (r *rows) byte() byte {
	b := (*r)[0]
	*r = (*r)[1:]
	return b
}

func (r *rows) uvarint() uint64 {
	var v uint64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

func (r *rows) string() string {
	n := int(r.uvarint())
	s := (*r)[:n]
	*r = (*r)[n:]
	return string(s)
}

func (r *rows) float() float64 {
	bits := binary.LittleEndian.Uint64([]byte((*r)[:8]))
	*r = (*r)[8:]
	return math.Float64frombits(bits)
}

// event decodes the next event into the row of a Parquet file; value stores the
// event's value.
func (r *rows) event(sha string, out *eventRow, value *float64) {
	flags := r.byte()
	row := int64(r.uvarint())
	*out = eventRow{OccurredAt: int64(r.uvarint()), UserID: r.string(), ItemID: r.string(), EventType: r.string()}
	if flags&hasID != 0 {
		out.EventID = r.string()
	} else {
		out.EventID = recsys.RowEventID(sha, row)
	}
	if flags&hasValue != 0 {
		*value = r.float()
		out.Value = value
	}
	if flags&hasSession != 0 {
		out.SessionID = r.string()
	}
	if flags&hasRecommendation != 0 {
		out.RecommendationID = r.string()
	}
}

func appendItem(b []byte, row int64, i *recsys.Item) []byte {
	var flags byte
	if i.Available {
		flags |= isAvailable
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(row))
	for _, s := range []string{i.ItemID, i.Title, i.Category, i.Text} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(i.Tags)))
	for _, t := range i.Tags {
		b = appendString(b, t)
	}
	return b
}

// item decodes the next item into the row of a Parquet file, and returns its
// row in the imported file.
func (r *rows) item(out *itemRow) (row int64) {
	flags := r.byte()
	row = int64(r.uvarint())
	*out = itemRow{ItemID: r.string(), Title: r.string(), Category: r.string(), Text: r.string()}
	if n := int(r.uvarint()); n > 0 {
		out.Tags = make([]string, n)
		for i := range out.Tags {
			out.Tags[i] = r.string()
		}
	}
	out.Available = flags&isAvailable != 0
	return row
}
