package importer

import (
	"bytes"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// eventRow is a row of raw/interactions. See docs/data.md.
type eventRow struct {
	EventID          string   `parquet:"event_id"`
	UserID           string   `parquet:"user_id,dict"`
	ItemID           string   `parquet:"item_id,dict"`
	EventType        string   `parquet:"event_type,dict"`
	Value            *float64 `parquet:"value,optional"`
	SessionID        string   `parquet:"session_id,optional,dict"`
	RecommendationID string   `parquet:"recommendation_id,optional,dict"`
	OccurredAt       int64    `parquet:"occurred_at,timestamp(microsecond:utc)"`
}

// itemRow is a row of raw/items. See docs/data.md.
type itemRow struct {
	ItemID    string   `parquet:"item_id"`
	Title     string   `parquet:"title,optional"`
	Category  string   `parquet:"category,optional,dict"`
	Text      string   `parquet:"text,optional"`
	Tags      []string `parquet:"tags,optional,list"`
	Available bool     `parquet:"available"` // required: an optional false would be written as null, which means true

	// ImportedAt orders the catalogs, and ReplacesBefore makes items of earlier ones
	// unavailable that no later one has. Both in microseconds since 1970.
	ImportedAt     int64  `parquet:"imported_at,timestamp(microsecond:utc)"`
	ReplacesBefore *int64 `parquet:"replaces_before,optional,timestamp(microsecond:utc)"`
}

const (
	// groupRows limits a row group, and with it the memory of a writer.
	groupRows = 200_000

	// batchRows is the number of rows per write.
	batchRows = 1024
)

// compression is shared: it reuses its encoders, of a few megabytes each.
var compression = &zstd.Codec{Level: zstd.SpeedFastest}

// encoder makes Parquet files one after the other. Their bytes depend only on
// the rows: the name of the writer is constant, and no time is written. Every
// file gets a new writer, because a reset writer omits the names of the columns
// in the footer (parquet-go 0.32.0).
type encoder[T any] struct {
	out   bytes.Buffer
	w     *parquet.GenericWriter[T]
	batch []T
	n     int64 // rows of the file
}

func newEncoder[T any]() *encoder[T] {
	e := &encoder[T]{batch: make([]T, 0, batchRows)}
	e.reset()
	return e
}

// add appends a row to the current file.
func (e *encoder[T]) add(row T) error {
	e.n++
	if e.batch = append(e.batch, row); len(e.batch) < batchRows {
		return nil
	}
	return e.drain()
}

func (e *encoder[T]) drain() error {
	_, err := e.w.Write(e.batch)
	e.batch = e.batch[:0]
	return err
}

// finish ends the file and returns its bytes, valid until the next add.
func (e *encoder[T]) finish() ([]byte, error) {
	err := e.drain()
	if err == nil {
		err = e.w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	return e.out.Bytes(), nil
}

// reset starts the next file.
func (e *encoder[T]) reset() {
	e.out.Reset()
	e.n = 0
	e.w = parquet.NewGenericWriter[T](&e.out,
		parquet.Compression(compression),
		parquet.MaxRowsPerRowGroup(groupRows),
		parquet.CreatedBy("recflow", "1", "import"))
}

// dayOf returns the UTC day of a time in microseconds since 1970.
func dayOf(at int64) int32 { return int32(at / 86400e6) }

func dayName(day int32) string {
	return time.Unix(int64(day)*86400, 0).UTC().Format(time.DateOnly)
}

// eventKey returns the key of part n of a file's events of a day. A day that is
// truncated by until has separate keys, so that an import with another until
// does not replace it with fewer events.
func eventKey(sha string, day int32, until time.Time, part int) string {
	cut := ""
	if !until.IsZero() && day == dayOf(until.UnixMicro()) {
		cut = "-until-" + until.Format("150405.999999")
	}
	return fmt.Sprintf("%sdt=%s/%s%s-%05d.parquet", interactionsPrefix, dayName(day), sha[:16], cut, part)
}

func itemKey(sha string, part int) string {
	return fmt.Sprintf("%s%s-%05d.parquet", itemsPrefix, sha[:16], part)
}
