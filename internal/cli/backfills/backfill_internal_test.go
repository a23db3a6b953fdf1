package backfills

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
)

func TestBackfillError(t *testing.T) {
	t.Parallel()
	died := "train: Glue run jr_1 ended as FAILED: the Spark JVM died in stage train (exit status 52). Log: /stack/glue/runs/jr_1/output.log"
	b := apiclient.Backfill{Slices: []apiclient.Slice{{Slice: backfill.Slice{Index: 0, State: backfill.Failed, Error: died}}}}
	b.ID, b.State, b.Count = "refresh-1", backfill.Failed, backfill.SliceCount{Total: 1, Failed: 1}
	assert.EqualError(t, backfillError(b), "1 of 1 slices of backfill refresh-1 failed, the first: "+died+
		"; fix the cause, then run them again with `recflow backfill retry refresh-1`", "a retry alone does not help")
	assert.Equal(t, "slice 0, up to 0001-01-01: failed: "+died, sliceLine(b.Slices[0]))
}

func TestSliceNote(t *testing.T) {
	t.Parallel()
	failed := []backfill.Attempt{{Error: "one"}, {Error: "two"}}
	for want, s := range map[string]backfill.Slice{
		"why":         {State: backfill.Skipped, Reason: "why"},
		"bad":         {State: backfill.Failed, Reason: "why", Error: "bad", Earlier: failed},
		"before: two": {State: backfill.Running, Reason: "why", Earlier: failed},
		"":            {State: backfill.Succeeded, Reason: "why", Earlier: failed},
	} {
		assert.Equal(t, want, sliceNote(s))
	}
}
