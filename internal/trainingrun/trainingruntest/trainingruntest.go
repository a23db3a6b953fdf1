// Package trainingruntest writes the files of a training run as Spark 3.5
// writes them: snappy, version 1 data pages, every column optional, lists with
// three levels. Tests and the loader's benchmark read them.
package trainingruntest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
)

// Item is a row of an items file. The value 0 in Embedding is written as a
// null.
type Item struct {
	ItemID     string    `parquet:"item_id,optional,snappy,dict"`
	Embedding  []float32 `parquet:"embedding,optional,list,snappy" parquet-element:",optional,snappy"`
	Title      string    `parquet:"title,optional,snappy,plain"`
	Category   string    `parquet:"category,optional,snappy,dict"`
	Tags       []string  `parquet:"tags,optional,list,snappy" parquet-element:",optional,snappy,dict"`
	Available  *bool     `parquet:"available,optional,snappy"`
	Popularity *float64  `parquet:"popularity,optional,snappy,dict"`
}

// User is a row of a users file. The value 0 in a list is written as a null.
type User struct {
	UserID         string    `parquet:"user_id,optional,snappy,dict"`
	Embedding      []float32 `parquet:"embedding,optional,list,snappy" parquet-element:",optional,snappy"`
	HistoryItems   []string  `parquet:"history_items,list,snappy" parquet-element:",optional,snappy,dict"`
	HistoryWeights []float32 `parquet:"history_weights,list,snappy" parquet-element:",optional,snappy,dict"`
	ReferenceTime  time.Time `parquet:"reference_time,optional,snappy,timestamp(microsecond)"`
	SeenItems      []string  `parquet:"seen_items,list,snappy" parquet-element:",optional,snappy,dict"`
}

// Event is a row of a holdout file.
type Event struct {
	UserID     string    `parquet:"user_id,optional,snappy,dict"`
	EventID    string    `parquet:"event_id,optional,snappy,plain"`
	ItemID     string    `parquet:"item_id,optional,snappy,dict"`
	EventType  string    `parquet:"event_type,optional,snappy,dict"`
	Value      *float64  `parquet:"value,optional,snappy,dict"`
	OccurredAt time.Time `parquet:"occurred_at,optional,snappy,timestamp(microsecond)"`
	Answer     *bool     `parquet:"answer,optional,snappy"`
}

// A Row is a row of one of the three kinds of file, or an invalid one.
type Row any

// options make the writer's pages like Spark's.
func options(extra []parquet.WriterOption) []parquet.WriterOption {
	return append([]parquet.WriterOption{
		parquet.DataPageVersion(1),
		parquet.PageBufferSize(1 << 20),
		parquet.MaxRowsPerRowGroup(250_000),
	}, extra...)
}

// Writer writes rows of one type as Parquet to w.
func Writer[T Row](w io.Writer, extra ...parquet.WriterOption) *parquet.GenericWriter[T] {
	return parquet.NewGenericWriter[T](w, options(extra)...)
}

// File returns the content of a Parquet file with these rows and its entry in a
// manifest. The key ends with the kind.
func File[T Row](t testing.TB, kind string, rows []T, extra ...parquet.WriterOption) ([]byte, recsys.File) {
	t.Helper()
	var b bytes.Buffer
	w := Writer[T](&b, extra...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), Entry(kind, b.Bytes(), int64(len(rows)))
}

// Open opens a Parquet file with these rows, whose vectors have k values.
func Open[T Row](t testing.TB, k int, kind string, rows []T) *trainingrun.Reader {
	t.Helper()
	content, f := File(t, kind, rows)
	r, err := trainingrun.Open(bytes.NewReader(content), f.Bytes, f, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Entry returns the manifest entry of a file with this content.
func Entry(kind string, content []byte, rows int64) recsys.File {
	sum := sha256.Sum256(content)
	return recsys.File{
		Kind: kind, Key: recsys.RunPrefix("test") + kind + "/part-00000.snappy.parquet",
		Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Rows: rows,
	}
}

// Items returns n items with vectors of k values, numbered from first. The same
// arguments return the same items.
func Items(first, n, k int) []Item {
	items := make([]Item, n)
	for i := range items {
		r := rand.New(rand.NewPCG(uint64(first+i), 1))
		available, popularity := r.IntN(50) > 0, float64(r.IntN(1000))
		items[i] = Item{
			ItemID:     fmt.Sprintf("item-%07d", first+i),
			Embedding:  vector(r, k),
			Title:      fmt.Sprintf("Title of item %d", first+i),
			Category:   fmt.Sprintf("category %d", r.IntN(40)),
			Available:  &available,
			Popularity: &popularity,
		}
		for range r.IntN(4) {
			items[i].Tags = append(items[i].Tags, fmt.Sprintf("tag %d", r.IntN(200)))
		}
		if r.IntN(20) == 0 {
			items[i].Title, items[i].Category = "", ""
		}
	}
	return items
}

// Users returns n users with vectors of k values and histories over items that
// Items numbers from 0. One in ten has no vector and no history.
func Users(first, n, k, items int) []User {
	users := make([]User, n)
	for i := range users {
		r := rand.New(rand.NewPCG(uint64(first+i), 2))
		u := &users[i]
		u.UserID = fmt.Sprintf("user-%07d", first+i)
		for range r.IntN(5) {
			u.SeenItems = append(u.SeenItems, fmt.Sprintf("item-%07d", r.IntN(items)))
		}
		if r.IntN(10) == 0 {
			continue
		}
		u.Embedding = vector(r, k)
		u.ReferenceTime = time.UnixMicro(1.5e15 + r.Int64N(1e15)).UTC()
		for range 1 + r.IntN(30) {
			u.HistoryItems = append(u.HistoryItems, fmt.Sprintf("item-%07d", r.IntN(items)))
			u.HistoryWeights = append(u.HistoryWeights, float32(1+r.IntN(5)))
		}
	}
	return users
}

// Events returns n hold-out events, ten per user.
func Events(n int) []Event {
	events := make([]Event, n)
	for i := range events {
		r := rand.New(rand.NewPCG(uint64(i), 3))
		answer := i%10 >= 8
		events[i] = Event{
			UserID: fmt.Sprintf("user-%07d", i/10), EventID: fmt.Sprintf("%032x", i), ItemID: fmt.Sprintf("item-%07d", r.IntN(1000)),
			EventType: recsys.Purchase, OccurredAt: time.UnixMicro(1.5e15 + int64(i)).UTC(), Answer: &answer,
		}
		if r.IntN(2) == 0 {
			value := float64(r.IntN(10))
			events[i].Value = &value
		}
	}
	return events
}

func vector(r *rand.Rand, k int) []float32 {
	v := make([]float32, k)
	for i := range v {
		v[i] = float32(r.NormFloat64()) + 1e-30
	}
	return v
}
