package tabular

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// A crafted footer would kill the process, and no other test would run.
func TestOpen_rejects_an_oversized_footer(t *testing.T) {
	t.Parallel()
	for name, content := range trainingruntest.CraftedFooters() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in.parquet")
			require.NoError(t, os.WriteFile(path, content, 0o600))
			f, err := Open(t.Context(), path, nil, "", func(int64) {})
			require.NoError(t, err)
			defer f.Close()
			_, _, err = f.Records(Auto)
			require.ErrorContains(t, err, "in.parquet: open Parquet: the footer is malformed")
		})
	}
}
