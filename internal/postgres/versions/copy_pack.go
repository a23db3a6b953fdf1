package versions

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/recflow/recflow/internal/trainingrun"
)

// packer writes the rows of a batch in the binary format of COPY: the number of
// fields in 2 bytes, then each field as its length in 4 bytes (-1 for null) and
// its value, everything big-endian. Packing directly instead of through the
// driver's type map lets the loader keep up with the server.
type packer interface {
	count() int
	target() string                  // table and columns, in the order that pack writes them
	size(row int) int                // maximum size of the row in bytes
	pack(dst []byte, row int) []byte // appends at most size(row) bytes, which must fit into dst
}

func packerOf(batch trainingrun.Batch) (packer, error) {
	switch b := batch.(type) {
	case *trainingrun.Items:
		return itemsPacker{b, len(b.Vectors) / b.Rows()}, nil
	case *trainingrun.Users:
		return usersPacker{b, len(b.Vectors) / b.Rows()}, nil
	case *trainingrun.Holdout:
		return holdoutPacker{b}, nil
	}
	return nil, fmt.Errorf("cannot copy a batch of type %T", batch)
}

type itemsPacker struct {
	*trainingrun.Items
	dimension int
}

func (p itemsPacker) count() int { return p.Rows() }

func (p itemsPacker) target() string {
	return "items (item_id, embedding, title, category, tags, available, popularity)"
}

func (p itemsPacker) size(i int) int {
	return 2 + 4 + len(p.IDs[i]) + 4 + vectorSize(p.dimension) + 4 + len(p.Titles[i]) + 4 + len(p.Categories[i]) +
		4 + textsSize(p.Tags[i]) + 4 + 1 + 4 + 8
}

func (p itemsPacker) pack(dst []byte, i int) []byte {
	dst = append(dst, 0, 7)
	dst = packText(dst, p.IDs[i])
	dst = packVector(dst, p.Vectors[i*p.dimension:(i+1)*p.dimension])
	dst = packOptional(dst, p.Titles[i])
	dst = packOptional(dst, p.Categories[i])
	if p.Tags[i] == nil {
		dst = packNull(dst)
	} else {
		dst = packTexts(dst, p.Tags[i])
	}
	dst = packBool(dst, p.Available[i])
	return packFloat64(dst, p.Popularity[i])
}

type usersPacker struct {
	*trainingrun.Users
	dimension int
}

func (p usersPacker) count() int { return p.Rows() }

func (p usersPacker) target() string {
	return "users (user_id, embedding, history_items, history_weights, reference_time, seen_items)"
}

func (p usersPacker) size(i int) int {
	return 2 + 4 + len(p.IDs[i]) + 4 + vectorSize(p.dimension) + 4 + textsSize(p.HistoryItems[i]) +
		4 + arrayHeader + 8*len(p.HistoryWeights[i]) + 4 + 8 + 4 + textsSize(p.SeenItems[i])
}

func (p usersPacker) pack(dst []byte, i int) []byte {
	dst = append(dst, 0, 6)
	dst = packText(dst, p.IDs[i])
	if p.HasVector[i] {
		dst = packVector(dst, p.Vectors[i*p.dimension:(i+1)*p.dimension])
	} else {
		dst = packNull(dst)
	}
	dst = packTexts(dst, p.HistoryItems[i])
	dst = packReals(dst, p.HistoryWeights[i])
	if t := p.ReferenceTimes[i]; t.IsZero() {
		dst = packNull(dst)
	} else {
		dst = packTime(dst, t)
	}
	return packTexts(dst, p.SeenItems[i])
}

type holdoutPacker struct{ *trainingrun.Holdout }

func (p holdoutPacker) count() int { return p.Rows() }

func (p holdoutPacker) target() string {
	return "holdout (user_id, event_id, item_id, event_type, value, occurred_at, answer)"
}

func (p holdoutPacker) size(i int) int {
	return 2 + 4 + len(p.UserIDs[i]) + 4 + len(p.EventIDs[i]) + 4 + len(p.ItemIDs[i]) + 4 + len(p.EventTypes[i]) +
		4 + 8 + 4 + 8 + 4 + 1
}

func (p holdoutPacker) pack(dst []byte, i int) []byte {
	dst = append(dst, 0, 7)
	dst = packText(dst, p.UserIDs[i])
	dst = packText(dst, p.EventIDs[i])
	dst = packText(dst, p.ItemIDs[i])
	dst = packText(dst, p.EventTypes[i])
	if p.HasValue[i] {
		dst = packFloat64(dst, p.Values[i])
	} else {
		dst = packNull(dst)
	}
	dst = packTime(dst, p.OccurredAts[i])
	return packBool(dst, p.Answers[i])
}

func packNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }

func packText(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// packOptional writes the empty string as null.
func packOptional(dst []byte, s string) []byte {
	if s == "" {
		return packNull(dst)
	}
	return packText(dst, s)
}

func packBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0, 0, 0, 1, 1)
	}
	return append(dst, 0, 0, 0, 1, 0)
}

func packFloat64(dst []byte, x float64) []byte {
	dst = append(dst, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(x))
}

// Postgres's epoch, in microseconds since 1970
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func packTime(dst []byte, t time.Time) []byte {
	dst = append(dst, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(t.UnixMicro()-epoch))
}

func vectorSize(dimension int) int { return 4 + 4*dimension }

// packVector writes pgvector's format: the dimension in 2 bytes, 2 unused
// bytes, the values.
func packVector(dst []byte, v []float32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(vectorSize(len(v))))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(v)))
	dst = append(dst, 0, 0)
	at := len(dst)
	dst = dst[:at+4*len(v)]
	to := dst[at:]
	for len(v) >= 4 && len(to) >= 16 {
		binary.BigEndian.PutUint32(to[0:4], math.Float32bits(v[0]))
		binary.BigEndian.PutUint32(to[4:8], math.Float32bits(v[1]))
		binary.BigEndian.PutUint32(to[8:12], math.Float32bits(v[2]))
		binary.BigEndian.PutUint32(to[12:16], math.Float32bits(v[3]))
		v, to = v[4:], to[16:]
	}
	for i, x := range v {
		binary.BigEndian.PutUint32(to[4*i:], math.Float32bits(x))
	}
	return dst
}

// An array is: dimensions (0 or 1), whether it has nulls, type of the elements,
// then length and lower bound of the dimension, then the elements as fields.
const (
	arrayHeader = 5 * 4
	textOID     = 25
	realOID     = 700
)

func packArrayHeader(dst []byte, size, n int, oid uint32) []byte {
	if n == 0 {
		dst = append(dst, 0, 0, 0, 3*4, 0, 0, 0, 0, 0, 0, 0, 0)
		return binary.BigEndian.AppendUint32(dst, oid)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = append(dst, 0, 0, 0, 1, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, oid)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	return append(dst, 0, 0, 0, 1)
}

func textsSize(list []string) int {
	size := arrayHeader + 4*len(list)
	for _, s := range list {
		size += len(s)
	}
	return size
}

func packTexts(dst []byte, list []string) []byte {
	dst = packArrayHeader(dst, textsSize(list), len(list), textOID)
	for _, s := range list {
		dst = packText(dst, s)
	}
	return dst
}

func packReals(dst []byte, list []float32) []byte {
	dst = packArrayHeader(dst, arrayHeader+8*len(list), len(list), realOID)
	for _, x := range list {
		dst = append(dst, 0, 0, 0, 4)
		dst = binary.BigEndian.AppendUint32(dst, math.Float32bits(x))
	}
	return dst
}
