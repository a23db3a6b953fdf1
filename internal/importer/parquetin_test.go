package importer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// A crafted footer would end the process, and no other test would run.
func TestRefusesAFooterThatClaimsTooMuch(t *testing.T) {
	t.Parallel()
	for name, content := range trainingruntest.CraftedFooters() {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			_, err := Import(t.Context(), m, file(t, "in.parquet", content), options(t))
			require.ErrorContains(t, err, "in.parquet: open Parquet: the footer is malformed")
			require.Empty(t, m.keys(""), "it wrote something")
		})
	}
}
