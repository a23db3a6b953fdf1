package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocument_is_what_the_command_prints(t *testing.T) {
	t.Parallel()
	var want bytes.Buffer
	require.NoError(t, document(&want))
	page, err := os.ReadFile("../../docs/costs.md")
	require.NoError(t, err)
	require.Equal(t, want.String(), string(page), "run: go run ./scripts/costs > docs/costs.md")
}

func TestPersonalizeRequests_are_priced_by_tiers(t *testing.T) {
	t.Parallel()
	for requests, want := range map[float64]float64{
		0:     0,
		5e6:   278,
		72e6:  4003.2,
		100e6: 4003.2 + 778.4,
		721e6: 4003.2 + 18014.4 + 13.9,
	} {
		require.InDelta(t, want, personalizeRequests(requests), 0.01, "%.0f requests", requests)
	}
}

func TestLoads_have_a_database_that_carries_them(t *testing.T) {
	t.Parallel()
	for _, l := range loads {
		require.LessOrEqual(t, l.databaseCPUs(), l.vcpus, l.name)
	}
}

func TestComponents_cost_no_less_when_more_happens(t *testing.T) {
	t.Parallel()
	for _, l := range loads {
		more := l
		more.events, more.requests, more.pairs = 2*l.events, 2*l.requests, 2*l.pairs
		for _, c := range append(append([]component{}, recflow...), personalize...) {
			require.Positive(t, c.cost(l), c.name)
			require.GreaterOrEqual(t, c.cost(more), c.cost(l), c.name)
		}
	}
}

func TestPrices_say_where_they_are_from(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range prices {
		key := p.name + " a " + p.unit
		require.False(t, seen[key], "duplicate component %s", key)
		seen[key] = true
		require.Positive(t, p.dollar, key)
		require.NotEmpty(t, p.source, key)
		require.Contains(t, []trust{official, secondary, unverified}, p.trust, key)
		require.Equal(t, p.trust == unverified, p.dated == "", "%s: a verified page must have a date", key)
	}
}
