package streams

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPairedInterval(t *testing.T) {
	t.Parallel()
	t.Run("it agrees with Wald for many events", func(t *testing.T) {
		t.Parallel()
		low, high := pairedInterval(6000, 4000, 100_000)
		half := 1.96 * math.Sqrt(10_000-2000.0*2000/100_000) / 100_000
		assert.InDelta(t, 0.02-half, low, 1e-4)
		assert.InDelta(t, 0.02+half, high, 1e-4)
	})
	t.Run("it has a width when nothing differs, and stays a difference of shares", func(t *testing.T) {
		t.Parallel()
		low, high := pairedInterval(0, 0, 10)
		assert.Less(t, low, 0.0)
		assert.InDelta(t, -low, high, 1e-12)
		_, high = pairedInterval(1, 0, 1)
		assert.LessOrEqual(t, high, 1.0)
	})
}
