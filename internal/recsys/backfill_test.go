package recsys_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestCutRange(t *testing.T) {
	t.Parallel()
	day := func(n int) time.Time { return time.Date(2025, 1, n, 0, 0, 0, 0, time.UTC) }
	cut, err := recsys.CutRange(recsys.BackfillAsOf, day(1), day(11), 4*24*time.Hour)
	require.NoError(t, err)
	var ends []time.Time
	for i, s := range cut {
		require.Equal(t, i, s.Index)
		require.True(t, s.From.IsZero(), "each sees everything before its end")
		require.Equal(t, recsys.SlicePending, s.State)
		ends = append(ends, s.To)
	}
	require.Equal(t, []time.Time{day(5), day(9), day(11)}, ends)

	cut, err = recsys.CutRange(recsys.BackfillAsOf, day(1), day(1).AddDate(6, 0, 0), 800*24*time.Hour)
	require.NoError(t, err, "a step of years")
	require.Len(t, cut, 3)

	cut, err = recsys.CutRange(recsys.BackfillRefresh, time.Time{}, day(5), 0)
	require.NoError(t, err)
	require.Equal(t, []recsys.Slice{{To: day(5), State: recsys.SlicePending}}, cut)

	for name, c := range map[string]struct {
		kind     string
		from, to time.Time
		step     time.Duration
		says     string
	}{
		"another kind":       {"replay", day(1), day(2), 0, "kind is not"},
		"no end":             {recsys.BackfillRefresh, day(1), time.Time{}, 0, "to is missing"},
		"the wrong way":      {recsys.BackfillRefresh, day(2), day(1), 0, "is not before"},
		"nothing":            {recsys.BackfillRefresh, day(2), day(2), 0, "is not before"},
		"a step":             {recsys.BackfillRefresh, day(1), day(2), time.Hour, "step belongs to as_of"},
		"no beginning":       {recsys.BackfillAsOf, time.Time{}, day(2), time.Hour, "from is missing"},
		"no step":            {recsys.BackfillAsOf, day(1), day(2), 0, "step is 0s"},
		"a fraction":         {recsys.BackfillAsOf, day(1), day(2), time.Hour + time.Millisecond, "whole seconds"},
		"more than can be":   {recsys.BackfillAsOf, day(1), day(1).Add(2001 * time.Hour), time.Hour, "more than 2000 steps"},
		"a negative step":    {recsys.BackfillAsOf, day(1), day(2), -time.Hour, "step is -1h"},
		"centuries of hours": {recsys.BackfillAsOf, time.Unix(0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), time.Hour, "more than 2000 steps"},
	} {
		_, err := recsys.CutRange(c.kind, c.from, c.to, c.step)
		require.ErrorContains(t, err, c.says, name)
	}
}
