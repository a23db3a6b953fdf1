package backfills

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/backfill"
)

func TestBackfillError(t *testing.T) {
	t.Parallel()
	died := "train: Glue run jr_1 ended as FAILED: the Spark JVM died in stage train (exit status 52). Log: /stack/glue/runs/jr_1/output.log"
	b := apiclient.Backfill{Windows: []apiclient.Window{{Window: backfill.Window{Index: 0, To: time.Unix(0, 0).UTC(), State: backfill.Failed, Error: died}}}}
	b.ID, b.State, b.Count = "refresh-1", backfill.Failed, backfill.WindowCount{Total: 1, Failed: 1}
	assert.EqualError(t, backfillError(b), "1 of 1 windows of backfill refresh-1 failed, the first: "+died+
		"; fix the cause, then run them again with `recflow backfill retry refresh-1`", "a retry alone does not help")
	assert.Equal(t, "window 0, up to 1970-01-01: failed: "+died, windowLine(b.Windows[0]))
}

func TestWindowNote(t *testing.T) {
	t.Parallel()
	failed := []backfill.Attempt{{Error: "one"}, {Error: "two"}}
	for want, s := range map[string]backfill.Window{
		"why":         {State: backfill.Skipped, Reason: "why"},
		"bad":         {State: backfill.Failed, Reason: "why", Error: "bad", Earlier: failed},
		"before: two": {State: backfill.Running, Reason: "why", Earlier: failed},
		"":            {State: backfill.Succeeded, Reason: "why", Earlier: failed},
	} {
		assert.Equal(t, want, windowNote(s))
	}
}
