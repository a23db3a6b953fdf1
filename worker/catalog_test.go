package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/activities"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/workflows"
)

// importCatalog imports a catalog.
func (s *stage) importCatalog(replace bool, ids ...string) {
	s.t.Helper()
	_, err := importer.Import(s.t.Context(), s3store.New(s.s3), []string{"-"}, importer.Options{
		Stdin: strings.NewReader("item_id,title\n" + strings.Join(ids, ",A title\n") + ",A title\n"), Replace: replace,
		MaxRejects: -1, RejectsDir: s.t.TempDir(), TempDir: s.t.TempDir(),
	})
	require.NoError(s.t, err)
}

// itemsOf returns the available items of a version, under the current overrides.
func (s *stage) itemsOf(version int64) (ids []string) {
	s.t.Helper()
	v, err := s.store.Version(s.t.Context(), version)
	require.NoError(s.t, err)
	hits, err := s.store.Popular(s.t.Context(), v, recsys.Query{K: 100_000})
	require.NoError(s.t, err)
	for _, h := range hits {
		ids = append(ids, h.ItemID)
	}
	return ids
}

func isCatalog(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/raw/items/")
}

func TestCatalog_applies_although_the_worker_is_killed(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, workerKilled)
	s := newStage(t)
	first := s.refreshLive().Version
	all := s.itemsOf(first)
	gone := all[0]
	s.importCatalog(true, all[1:]...)
	open := s.reads.close(isCatalog)
	id, err := workflows.RequestCatalog(t.Context(), s.temporal, "recflow")
	require.NoError(t, err)
	harnesstest.Eventually(t, "the catalog to be read", func() bool { return s.reads.holding() > 0 })
	same, err := workflows.RequestCatalog(t.Context(), s.temporal, "recflow")
	require.NoError(t, err)
	require.Equal(t, id, same, "one runs at a time")
	s.killWorker(faults)
	open()
	var result activities.ApplyCatalogResult
	require.NoError(t, s.temporal.GetWorkflow(t.Context(), workflows.CatalogWorkflowID, id).Get(t.Context(), &result))
	require.Equal(t, activities.ApplyCatalogResult{Items: int64(len(all) - 1), Complete: true, Unavailable: 1}, result, "it ran again for the second request")
	require.ElementsMatch(t, all[1:], s.itemsOf(first))
	if *record {
		s.record(workflows.CatalogWorkflowID, id)
	}

	s.importCatalog(false, gone) // without an application
	second := s.refreshLive().Version
	require.ElementsMatch(t, all, s.itemsOf(second), "a refresh applies the catalog that is there")
	require.ElementsMatch(t, all, s.itemsOf(first))
}
