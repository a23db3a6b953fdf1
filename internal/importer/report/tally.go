package report

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a Tally: the ids of users and items, event ids and contents in memory,
// and the number of event types that are counted separately.
const (
	maxIDs      = 1 << 15
	maxContents = 1 << 13
	maxTypes    = 1000
)

// OtherTypes is the name of all types beyond the first thousand of a file.
const OtherTypes = "other"

// Tally counts what the rows of a file contain, in bounded memory: a few
// megabytes for any number of rows.
type Tally struct {
	sketches sketches
	batch    []hashes // of the newest rows
	counted  []hashes // is being counted
	counting sync.WaitGroup

	interest recsys.Interest
	types    map[string]*typeTally
	last     *typeTally // of the last event

	events int64
	noTime int64
	buf    []byte
	prefix hash.Hash // of the contents of all rows so far but the last and those in tail
	tail   []byte
	rows   int64
	newest uint64 // content of the last row

	checkpoints checkpoints
}

type typeTally struct {
	name      string
	weight    float64 // of an event that counts
	rating    bool    // an event counts if its value reaches the threshold
	events    int64
	liked     int64 // ratings that reach the threshold
	valued    int64
	low, high float64
	negative  int64
}

// New returns an empty tally, which separates events that count under an interest from
// those that do not.
func New(in recsys.Interest) *Tally {
	return &Tally{
		sketches: sketches{
			users: newSketch[ids](maxIDs), items: newSketch[ids](maxIDs),
			eventIDs: newSketch[eventID](maxContents), contents: newSketch[int64](maxContents),
		},
		interest: in, types: map[string]*typeTally{}, prefix: sha256.New(),
	}
}

// Event counts an accepted event.
func (t *Tally) Event(e *mapping.Event) {
	t.events++
	if !e.HasTime {
		t.noTime++
	}
	h := hashes{isEvent: true, content: t.content(e)}
	h.user, h.paddedUser = hashID(e.UserID)
	h.item, h.paddedItem = hashID(e.ItemID)
	if e.HasID {
		h.hasID, h.id = true, xxhash.Sum64String(e.EventID)
	}
	t.row(h.content)
	t.count(h)
	t.typed(e)
}

// Item counts an accepted item.
func (t *Tally) Item(i *recsys.Item) {
	var h hashes
	h.item, h.paddedItem = hashID(i.ItemID)
	t.count(h)
}

// Rejected counts a rejected row.
func (t *Tally) Rejected() { t.row(0) }

// content returns the hash of an event without its event id.
func (t *Tally) content(e *mapping.Event) uint64 {
	b := t.buf[:0]
	for _, s := range []string{e.UserID, e.ItemID, e.EventType, e.SessionID, e.RecommendationID} {
		b = append(append(b, s...), 0)
	}
	at := int64(math.MinInt64)
	if e.HasTime {
		at = e.At
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	if e.Value != nil {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(*e.Value))
	}
	t.buf = b
	return max(1, xxhash.Sum64(b))
}

// row extends the prefix by a row; 0 stands for one that was rejected.
func (t *Tally) row(content uint64) {
	if t.rows++; t.rows > 1 {
		t.tail = binary.LittleEndian.AppendUint64(t.tail, t.newest)
	}
	if t.newest = content; len(t.tail) >= 4096 {
		t.prefix.Write(t.tail)
		t.tail = t.tail[:0]
	}
	if t.checkpoints.due(t.rows) {
		t.checkpoints.add(t.Prefix())
	}
}

// digest returns the digest of t.prefix and more rows.
func (t *Tally) digest(more []byte) string {
	h, err := t.prefix.(hash.Cloner).Clone()
	if err != nil {
		panic(err) // only hashes that need hardware return one
	}
	h.Write(more)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Prefix returns a digest of the contents of all rows so far, in their order. Files
// of any format and compression with the same rows have the same digest.
func (t *Tally) Prefix() string {
	return t.digest(binary.LittleEndian.AppendUint64(slices.Clone(t.tail), t.newest))
}

// PrefixButLast returns the Prefix of the rows before the last one, or "" if there
// are none.
func (t *Tally) PrefixButLast() string {
	if t.rows < 2 {
		return ""
	}
	return t.digest(t.tail)
}

func (t *Tally) typed(e *mapping.Event) {
	if t.last == nil || t.last.name != e.EventType {
		t.last = t.typeOf(e.EventType)
	}
	c := t.last
	c.events++
	if e.Value == nil {
		return
	}
	v := *e.Value
	c.valued++
	c.low, c.high = min(c.low, v), max(c.high, v)
	if v < 0 {
		c.negative++
	}
	if v >= t.interest.RatingThreshold {
		c.liked++
	}
}

func (t *Tally) typeOf(name string) *typeTally {
	if c := t.types[name]; c != nil {
		return c
	}
	if len(t.types) >= maxTypes {
		name = OtherTypes
	}
	c := t.types[name]
	if c == nil {
		name = strings.Clone(name)
		liked := max(1, t.interest.RatingThreshold)
		c = &typeTally{
			name: name, weight: t.interest.Weight(name, &liked), rating: recsys.SameType(name, recsys.Rating),
			low: math.Inf(1), high: math.Inf(-1),
		}
		t.types[name] = c
	}
	return c
}
