package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
	"github.com/recflow/recflow/workflows"
)

// The long form loads a million vectors. Its peak memory must be the same as
// for forty thousand vectors, apart from garbage that is not yet collected.
func TestLoad_memory_does_not_depend_on_the_size(t *testing.T) {
	if !*postgrestest.Soak {
		t.Skip("a million vectors; run with -soak")
	}
	little, much := peakMemory(t, 40_000), peakMemory(t, 1_000_000)
	t.Logf("peak resident memory of the worker: %d MiB for 40,000 vectors of 64, %d MiB for 1,000,000", little>>20, much>>20)
	require.Less(t, much, 2*little)
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory returns the peak resident memory of a worker until it has loaded n
// items.
func peakMemory(t *testing.T, n int) int64 {
	s := newStage(t)
	s.use(manyItems(t, n))
	run := s.refresh(s.request())
	s.until(run, "all rows", func(p workflows.Progress) bool { return p.RowsTotal > 0 && p.RowsLoaded == p.RowsTotal })
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.worker.cmd.Process.Pid))
	require.NoError(t, err)
	kib, err := strconv.ParseInt(string(peakLine.FindSubmatch(status)[1]), 10, 64)
	require.NoError(t, err)
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	_, err = s.await(run)
	require.Error(t, err)
	return kib << 10
}

// manyItems returns a folder with a run of n items of 64 dimensions in four
// files.
func manyItems(t *testing.T, n int) string {
	m, _ := postgrestest.Generate(t, postgrestest.Fixture{Users: 20, Items: 20, Dimension: 64})
	dir := t.TempDir()
	m.Files = nil
	require.NoError(t, os.MkdirAll(filepath.Join(dir, recsys.ItemsFile), 0o700))
	const files = 4
	for i := range files {
		content, f := trainingruntest.File(t, recsys.ItemsFile, trainingruntest.Items(i*n/files, n/files, 64))
		f.Key = fmt.Sprintf("items/part-%05d.parquet", i)
		require.NoError(t, os.WriteFile(filepath.Join(dir, f.Key), content, 0o600))
		m.Files = append(m.Files, f)
	}
	writeManifest(t, dir, m)
	return dir
}
