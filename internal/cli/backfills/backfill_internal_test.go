package backfills

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
)

func TestBackfillError(t *testing.T) {
	t.Parallel()
	died := "train: Glue run jr_1 ended as FAILED: the Spark JVM died in stage train (exit status 52). Log: /stack/glue/runs/jr_1/output.log"
	b := apiclient.Backfill{Slices: []apiclient.Slice{{Slice: recsys.Slice{Index: 0, State: recsys.SliceFailed, Error: died}}}}
	b.ID, b.State, b.Count = "refresh-1", recsys.BackfillFailed, recsys.SliceCount{Total: 1, Failed: 1}
	assert.EqualError(t, backfillError(b), "1 of 1 slices of backfill refresh-1 failed, the first: "+died+
		"; fix the cause, then run them again with `recflow backfill retry refresh-1`", "a retry alone does not help")
	assert.Equal(t, "slice 0, up to 0001-01-01: failed: "+died, sliceLine(b.Slices[0]))
}

func TestSliceNote(t *testing.T) {
	t.Parallel()
	failed := []recsys.Attempt{{Error: "one"}, {Error: "two"}}
	for want, s := range map[string]recsys.Slice{
		"why":         {State: recsys.SliceSkipped, Reason: "why"},
		"bad":         {State: recsys.SliceFailed, Reason: "why", Error: "bad", Earlier: failed},
		"before: two": {State: recsys.SliceRunning, Reason: "why", Earlier: failed},
		"":            {State: recsys.SliceSucceeded, Reason: "why", Earlier: failed},
	} {
		assert.Equal(t, want, sliceNote(s))
	}
}
