package vectorstore

import (
	"cmp"
	"time"
)

// Tuning sets the sizes of the steps in which the store does long work. A field
// that is zero takes its default.
type Tuning struct {
	// HoldoutPage is about how many events HoldoutUsers reads at once: 5,000.
	HoldoutPage int
	// DropChunk is how many rows are dropped in one transaction: 20,000. A drop that is
	// cut short keeps what it has done, and a flip waits for one of these and no longer.
	DropChunk int64
	// ProgressEvery is how often BuildIndexes looks at a running step and reports it:
	// every second.
	ProgressEvery time.Duration
}

func (t Tuning) withDefaults() Tuning {
	t.HoldoutPage = cmp.Or(t.HoldoutPage, 5_000)
	t.DropChunk = cmp.Or(t.DropChunk, 20_000)
	t.ProgressEvery = cmp.Or(t.ProgressEvery, time.Second)
	return t
}
