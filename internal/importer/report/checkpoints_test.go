package report

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

func tallied(rows int) *Tally {
	t := New(recsys.DefaultInterest())
	for i := range rows {
		e := mapping.Event{Event: recsys.Event{UserID: fmt.Sprint("u", i), ItemID: "i", EventType: recsys.Click}}
		t.Event(&e)
	}
	return t
}

// The checkpoints of a file are those of its beginnings, and their number is limited.
func TestCheckpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ rows, step, atLeast int }{
		{1, 1, 1}, {1023, 1, 1023}, {1024, 1, 1024}, {1025, 2, 512}, {2048, 2, 1024}, {2050, 4, 512}, {100_000, 128, 781},
	} {
		whole := tallied(c.rows).Checkpoints()
		require.EqualValues(t, c.step, whole.Step, "%d rows", c.rows)
		row, digest := whole.At(int64(c.rows))
		require.EqualValues(t, c.rows/c.step*c.step, row)
		require.Len(t, digest, checkpointBytes)
		require.LessOrEqual(t, len(whole.Digests), maxCheckpoints*checkpointBytes*4/3+4)
		require.GreaterOrEqual(t, c.rows/c.step, c.atLeast)
		for _, n := range []int64{1, row / 3, row / 2, row - 1} {
			at, want := whole.At(n)
			if at == 0 {
				continue
			}
			part := tallied(int(n)).Checkpoints()
			require.Zero(t, whole.Step%part.Step)
			same, got := part.At(at)
			require.Equal(t, at, same, "%d of %d rows", n, c.rows)
			require.Equal(t, want, got)
		}
	}
	row, _ := Checkpoints{}.At(10)
	require.Zero(t, row)
	row, _ = Checkpoints{Step: 8, Digests: "x"}.At(10)
	require.Zero(t, row)
}
