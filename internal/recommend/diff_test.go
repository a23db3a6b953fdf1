package recommend

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRankBiasedOverlap(t *testing.T) {
	t.Parallel()
	l := func(s string) (out []string) {
		for _, r := range s {
			out = append(out, string(r))
		}
		return out
	}
	require.InDelta(t, 1, rankBiasedOverlap(l("abcde"), l("abcde")), 1e-12)
	require.InDelta(t, 0, rankBiasedOverlap(l("abc"), l("xyz")), 1e-12)
	require.InDelta(t, 1, rankBiasedOverlap(nil, nil), 1e-12)
	require.InDelta(t, 0, rankBiasedOverlap(nil, l("a")), 1e-12)
	// By hand: agreement 0, 1, 1 at depths 1 to 3, extrapolated with 1.
	p := rboPersistence
	require.InDelta(t, p*p*p+(1-p)/p*(p*p+p*p*p), rankBiasedOverlap(l("abc"), l("bac")), 1e-12)
	require.Greater(t, rankBiasedOverlap(l("abcdx"), l("abcdy")), rankBiasedOverlap(l("xabcd"), l("yabcd")), "the top counts more")
	require.InDelta(t, 0.5, overlap(l("ab"), l("bc")), 1e-12)
	require.InDelta(t, 0.5, overlap(l("ab"), l("a")), 1e-12)
}
