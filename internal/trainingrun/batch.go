// Package trainingrun reads the files of a training run: it downloads a file
// and checks it against the manifest, and decodes its Parquet into batches of
// columns. It does not depend on Postgres; internal/postgres/versions copies
// the batches.
//
// The files are untrusted. A file's size and SHA-256 are checked during the
// download, its structure before memory is allocated for it, and every value
// before it is returned. Every error about a file wraps
// recsys.ErrManifestInvalid and names the file and, if possible, the row.
package trainingrun

import "time"

// Batch is a sequence of rows of one file, column by column: an *Items, a
// *Users or a *Holdout. It is valid until the next call of Reader.Next, which
// reuses its memory. Strings stay valid, but each keeps a whole page in memory:
// clone those that outlive the batch.
type Batch interface {
	// Rows is the number of rows, at least 1.
	Rows() int
}

// Items is a batch of an items file. Every slice but Vectors has one element
// per row.
type Items struct {
	IDs        []string
	Vectors    []float32  // dimension values per row, one row after the other
	Titles     []string   // empty if there is none
	Categories []string   // empty if there is none
	Tags       [][]string // nil if there are none
	Available  []bool
	Popularity []float64 // finite, not negative

	tags    []string // backs Tags
	vectors vectorMemory
}

// Rows implements Batch.
func (b *Items) Rows() int { return len(b.IDs) }

// Users is a batch of a users file. Every slice but Vectors has one element per
// row.
type Users struct {
	IDs            []string
	Vectors        []float32 // dimension values per row, zeros where HasVector is false
	HasVector      []bool
	HistoryItems   [][]string
	HistoryWeights [][]float32 // as long as the row of HistoryItems; finite, positive
	ReferenceTimes []time.Time // zero if there is none
	SeenItems      [][]string

	items, seen []string  // back HistoryItems and SeenItems
	weights     []float32 // backs HistoryWeights
	vectors     vectorMemory
}

// Rows implements Batch.
func (b *Users) Rows() int { return len(b.IDs) }

// Holdout is a batch of a holdout file. Every slice has one element per row.
type Holdout struct {
	UserIDs     []string
	EventIDs    []string
	ItemIDs     []string
	EventTypes  []string
	Values      []float64 // finite; 0 where HasValue is false
	HasValue    []bool
	OccurredAts []time.Time
	Answers     []bool
}

// Rows implements Batch.
func (b *Holdout) Rows() int { return len(b.UserIDs) }
