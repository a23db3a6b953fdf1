package backfill_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
)

func TestCut(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }
	cut, err := backfill.Cut(backfill.AsOf, day(1), day(11), 4*24*time.Hour)
	require.NoError(t, err)
	var ends []time.Time
	for i, s := range cut {
		require.Equal(t, i, s.Index)
		require.True(t, s.From.IsZero(), "each covers the events before its end")
		require.Equal(t, backfill.Pending, s.State)
		ends = append(ends, s.To)
	}
	require.Equal(t, []time.Time{day(5), day(9), day(11)}, ends)

	cut, err = backfill.Cut(backfill.AsOf, day(1), day(1).AddDate(6, 0, 0), 800*24*time.Hour)
	require.NoError(t, err, "a step of years")
	require.Len(t, cut, 3)

	cut, err = backfill.Cut(backfill.Refresh, time.Time{}, day(5), 0)
	require.NoError(t, err)
	require.Equal(t, []backfill.Window{{To: day(5), State: backfill.Pending}}, cut)

	for name, c := range map[string]struct {
		kind     string
		from, to time.Time
		step     time.Duration
		says     string
	}{
		"another kind":       {"replay", day(1), day(2), 0, "kind is not"},
		"no end":             {backfill.Refresh, day(1), time.Time{}, 0, "to is missing"},
		"reversed":           {backfill.Refresh, day(2), day(1), 0, "is not before"},
		"nothing":            {backfill.Refresh, day(2), day(2), 0, "is not before"},
		"a step":             {backfill.Refresh, day(1), day(2), time.Hour, "step is only valid for as_of"},
		"no start":           {backfill.AsOf, time.Time{}, day(2), time.Hour, "from is missing"},
		"no step":            {backfill.AsOf, day(1), day(2), 0, "step is 0s"},
		"a fraction":         {backfill.AsOf, day(1), day(2), time.Hour + time.Millisecond, "whole seconds"},
		"too many steps":     {backfill.AsOf, day(1), day(1).Add(2001 * time.Hour), time.Hour, "more than 2000 steps"},
		"a negative step":    {backfill.AsOf, day(1), day(2), -time.Hour, "step is -1h"},
		"centuries of hours": {backfill.AsOf, time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour, "more than 2000 steps"},
	} {
		_, err := backfill.Cut(c.kind, c.from, c.to, c.step)
		require.ErrorContains(t, err, c.says, name)
	}
}
