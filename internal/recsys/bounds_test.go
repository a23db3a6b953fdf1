package recsys_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

// TestExtend_keeps_the_heaviest_items extends a full history by heavier, lighter and
// weightless items.
func TestExtend_keeps_the_heaviest_items(t *testing.T) {
	t.Parallel()
	in := recsys.Interest{Weights: map[string]float64{"a": 1, "b": 2, "c": 3}, Floor: 0.01}
	at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	var events []recsys.Event
	add := func(kind, item string) {
		events = append(events, recsys.Event{EventID: kind + item, ItemID: item, EventType: kind, OccurredAt: at})
	}
	for i := range recsys.MaxHistory - 100 {
		add("b", fmt.Sprintf("b%05d", i))
	}
	for i := range 60 {
		add("c", fmt.Sprintf("c%05d", i))
		add("a", fmt.Sprintf("a%05d", i))
		add("none", fmt.Sprintf("n%05d", i))
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	h := in.Extend(recsys.History{}, events)

	require.Len(t, h.Items, recsys.MaxHistory)
	require.Len(t, h.Weights, recsys.MaxHistory)
	assert.Empty(t, h.Seen, "items without weight are the lightest")
	kinds := map[byte][]string{}
	for _, item := range slices.Sorted(slices.Values(h.Items)) {
		kinds[item[0]] = append(kinds[item[0]], item)
	}
	assert.Len(t, kinds['c'], 60)
	assert.Len(t, kinds['b'], recsys.MaxHistory-100)
	require.Len(t, kinds['a'], 40, "of equal weight, those with the smaller id")
	assert.Equal(t, "a00039", kinds['a'][39])

	seen := in.Extend(recsys.History{Items: h.Items[:recsys.MaxHistory-5], Weights: h.Weights[:recsys.MaxHistory-5]},
		[]recsys.Event{{EventID: "1", ItemID: "y", EventType: "none"}, {EventID: "2", ItemID: "x", EventType: "none"}})
	assert.Equal(t, []string{"y", "x"}, seen.Seen, "a history within the limit is as it was")
	full := in.Extend(h, []recsys.Event{{EventID: "1", ItemID: "new", EventType: "c", OccurredAt: at}})
	assert.Len(t, full.Items, recsys.MaxHistory)
	assert.Contains(t, full.Items, "new", "a heavier item replaces the lightest")
	assert.NotContains(t, full.Items, "a00039")
}

func TestUserState_includes_the_newest_events(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)
	oldest := recsys.Event{EventID: "m", OccurredAt: at}
	s := recsys.UserState{Events: []recsys.Event{oldest}, NotFolded: 1}
	assert.True(t, s.Includes(oldest))
	assert.True(t, s.Includes(recsys.Event{EventID: "n", OccurredAt: at}))
	assert.False(t, s.Includes(recsys.Event{EventID: "l", OccurredAt: at}))
	assert.False(t, s.Includes(recsys.Event{EventID: "z", OccurredAt: at.Add(-time.Microsecond)}))
	s.NotFolded = 0
	assert.True(t, s.Includes(recsys.Event{EventID: "l", OccurredAt: at}))
}
