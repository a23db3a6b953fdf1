package tabular

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/safeparquet/safeparquettest"
)

// A crafted file would kill the process, and no other test would run.
func TestOpen_rejects_crafted_Parquet_files(t *testing.T) {
	t.Parallel()
	read := func(t *testing.T, content []byte) error {
		path := filepath.Join(t.TempDir(), "in.parquet")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		f, err := Open(t.Context(), path, nil, "", func(int64) {})
		require.NoError(t, err)
		defer f.Close()
		source, _, err := f.Records(Auto)
		if err != nil {
			return err
		}
		defer source.Close()
		if err := source.Bind([]Column{{Name: "user_id"}}); err != nil {
			return err
		}
		r := Record{Cells: make([]Cell, 1)}
		for err == nil {
			err = source.Next(&r)
		}
		return err
	}
	for name, content := range safeparquettest.CraftedFooters() {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, read(t, content), "in.parquet: open Parquet: the footer is malformed")
		})
	}
	for name, content := range safeparquettest.CraftedSchemas() {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, read(t, content), "in.parquet: open Parquet: the schema is malformed")
		})
	}
	for name, content := range safeparquettest.CraftedPages() {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, read(t, content), `column "user_id": `) })
	}
}
