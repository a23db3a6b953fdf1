package events

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestEarliestEvents(t *testing.T) {
	t.Parallel()
	k := earliestEvents{limit: 3}
	for i := range 5000 {
		k.add(recsys.Event{EventID: "e", OccurredAt: time.Unix(int64((i*7919)%5000), 0)})
	}
	kept := k.sorted()
	require.Len(t, kept, 3)
	for i, e := range kept {
		assert.EqualValues(t, i, e.OccurredAt.Unix())
	}
}
