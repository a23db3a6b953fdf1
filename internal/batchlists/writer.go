package batchlists

import (
	"cmp"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/recommend"
)

// row is a list of a user.
type row struct {
	UserID           string    `parquet:"user_id,snappy,plain"`
	RecommendationID string    `parquet:"recommendation_id,snappy,plain"`
	Version          int64     `parquet:"version,snappy,dict"`
	Stage            string    `parquet:"stage,snappy,dict"`
	EventsNotFolded  int64     `parquet:"events_not_folded,snappy,dict"`
	GeneratedAt      time.Time `parquet:"generated_at,snappy,dict,timestamp(millisecond)"`
	Items            []item    `parquet:"items,list"`
}

// item is an item of a list, best first.
type item struct {
	ItemID string  `parquet:"item_id,snappy,dict"`
	Rank   int32   `parquet:"rank,snappy,dict"`
	Score  float64 `parquet:"score,snappy,plain"`
}

const (
	// itemsPerGroup limits the items in a row group, which is buffered: about 25 MB
	// of memory.
	itemsPerGroup = 2_000_000
	rowsPerWrite  = 64
)

// writer writes a Parquet file of lists.
type writer struct {
	out      *parquet.GenericWriter[row]
	rows     []row // to be written together
	n        int64 // rows so far
	perGroup int64 // rows in a row group
}

// newWriter returns a writer of lists of at most k items.
func newWriter(w io.Writer, k int) *writer {
	return &writer{
		out: parquet.NewGenericWriter[row](w,
			parquet.WriteBufferSize(0), // pages are large enough, and the size of the file is exact
			parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("user_id"))),
		),
		rows:     make([]row, 0, rowsPerWrite),
		perGroup: int64(max(itemsPerGroup/k, 1)),
	}
}

// write adds a list, and reports whether it completes a row group. Lists must be in
// the order of their users.
func (w *writer) write(l recommend.List, at time.Time) (complete bool, err error) {
	n := len(w.rows)
	w.rows = w.rows[:n+1]
	r := &w.rows[n]
	r.UserID, r.RecommendationID, r.Version, r.Stage, r.GeneratedAt = l.UserID, l.RecommendationID, l.Version, l.Stage, at
	r.EventsNotFolded = int64(l.EventsNotFolded)
	r.Items = r.Items[:0]
	for _, i := range l.Items {
		r.Items = append(r.Items, item{ItemID: i.ItemID, Rank: int32(i.Rank), Score: i.Score})
	}
	w.n++
	if w.n%w.perGroup == 0 {
		return true, cmp.Or(w.flush(), w.out.Flush())
	}
	if len(w.rows) == cap(w.rows) {
		err = w.flush()
	}
	return false, err
}

func (w *writer) flush() error {
	_, err := w.out.Write(w.rows)
	w.rows = w.rows[:0]
	return err
}

func (w *writer) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.out.Close()
}
