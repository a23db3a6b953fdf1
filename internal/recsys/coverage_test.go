package recsys_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/recsys"
)

func TestCovers(t *testing.T) {
	c := recsys.Coverage{From: noon.Add(-time.Hour), To: noon, StoredTo: noon.Add(time.Hour)}
	for _, x := range []struct {
		it       string
		occurred time.Time
		stored   time.Time
		want     bool
	}{
		{"covers an imported event before the end", noon.Add(-1), time.Time{}, true},
		{"does not cover an event at the end", noon, time.Time{}, false},
		{"covers a streamed event stored in time", noon.Add(-1), noon.Add(time.Hour - 1), true},
		{"does not cover a streamed event stored at the margin", noon.Add(-1), noon.Add(time.Hour), false},
		{"covers what was excluded before the start", noon.Add(-2 * time.Hour), noon, true},
	} {
		t.Run("it "+x.it, func(t *testing.T) {
			assert.Equal(t, x.want, c.Covers(recsys.Event{OccurredAt: x.occurred, StoredAt: x.stored}))
		})
	}
}

func TestCovers_imported_copies_of_late_events(t *testing.T) {
	c := recsys.Coverage{To: noon.Add(2 * time.Hour), StoredTo: noon.Add(time.Hour)}
	assert.True(t, c.Covers(recsys.Event{OccurredAt: noon.Add(time.Hour - 1)}))
	assert.False(t, c.Covers(recsys.Event{OccurredAt: noon.Add(time.Hour)}), "its streamed copy may not have reached the bucket, and is folded in")
}

func TestHoldoutBound(t *testing.T) {
	t.Run("it contains about its share of users", func(t *testing.T) {
		bound, n := recsys.HoldoutBound("1999999999999999"), 0
		for i := range 10_000 {
			if bound.Contains(fmt.Sprintf("user-%d", i)) {
				n++
			}
		}
		assert.InDelta(t, 1000, n, 100)
	})
	t.Run("it contains no users if malformed", func(t *testing.T) {
		assert.False(t, recsys.HoldoutBound("a tenth").Contains("u"))
	})
}
