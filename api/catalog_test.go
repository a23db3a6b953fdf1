package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/s3store"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
)

// importCatalog imports a complete catalog of the test's items, less some.
func (h *harness) importCatalog(t *testing.T, items []postgrestest.ItemRow, without ...string) {
	t.Helper()
	csv := "item_id,title,available\n"
	for _, i := range items {
		if !slices.Contains(without, i.ItemID) {
			csv += i.ItemID + ",A title,true\n"
		}
	}
	_, err := importer.Import(t.Context(), h.imports, []string{"-"}, importer.Options{
		Stdin: strings.NewReader(csv), Replace: true, MaxRejects: -1, RejectsDir: t.TempDir(), TempDir: t.TempDir(),
	})
	require.NoError(t, err)
}

// applyCatalog applies the catalogs and waits for the end.
func (h *harness) applyCatalog(t *testing.T) apiclient.CatalogApplication {
	t.Helper()
	a := h.Do("POST", "/catalog/apply", nil)
	require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
	var started apiclient.CatalogApplication
	a.Into(t, &started)
	require.NotEmpty(t, started.WorkflowRunID)
	var r apiclient.CatalogReport
	harnesstest.Eventually(t, "the end of the application", func() bool {
		h.Do("GET", "/catalog", nil).Into(t, &r)
		return r.Application != nil && r.Application.State != stateRunning
	})
	require.Equal(t, started.WorkflowRunID, r.Application.WorkflowRunID)
	return *r.Application
}

func TestCatalog_applies_at_once(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	data := h.withLive(t)
	s3 := awstest.S3(t)
	h.imports = s3store.New(s3)
	h.WithWorkerOn(t, s3)
	var none apiclient.CatalogReport
	h.Do("GET", "/catalog", nil).Into(t, &none)
	require.Nil(t, none.Application)
	first := func() string {
		t.Helper()
		var l recommend.List
		h.Do("GET", "/recommendations/"+data.Users[5].ID+"?k=3", nil).Into(t, &l)
		return l.Items[0].ItemID
	}
	show := func(id string) (i apiclient.CurrentItem) {
		t.Helper()
		h.Do("GET", "/items/"+id, nil).Into(t, &i)
		return i
	}
	best := first()

	h.importCatalog(t, data.Items, best)
	a := h.applyCatalog(t)
	require.Equal(t, "succeeded", a.State, a.Error)
	require.True(t, a.Complete)
	require.EqualValues(t, len(data.Items)-1, a.Items)
	require.NotEqual(t, best, first(), "a missing item is in no list")
	i := show(best)
	require.False(t, i.Available)
	require.Equal(t, apiclient.SourceCatalog, i.Overrides.Source)

	h.Do("PUT", "/items/"+best, `{"available":true}`).Into(t, &i)
	require.Equal(t, apiclient.SourceOperator, i.Overrides.Source)
	require.Equal(t, best, first(), "an operator's override wins")
	require.Zero(t, h.applyCatalog(t).Changed)
	require.Equal(t, best, first(), "and stays")
	h.Do("PUT", "/items/"+best, `{"reset":["available"]}`).Into(t, &i)
	require.Equal(t, apiclient.SourceCatalog, i.Overrides.Source)
	require.NotEqual(t, best, first())

	h.importCatalog(t, data.Items)
	require.EqualValues(t, 1, h.applyCatalog(t).Changed)
	require.Equal(t, best, first(), "a later catalog has it again")
	require.Empty(t, show(best).Overrides.Source)
	require.Contains(t, strings.Join(h.Audited(), "\n"), "catalog.apply")

	require.NoError(t, s3.Put(t.Context(), "raw/items/broken.parquet", strings.NewReader("broken")))
	a = h.applyCatalog(t)
	require.Equal(t, "failed", a.State)
	require.Contains(t, a.Error, "recflow-catalog")
}

func TestCatalog_needs_Temporal_and_a_scope(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, "no_bucket", h.Do("POST", "/catalog/apply", nil).Problem(t).Code)
	h.imports = s3store.New(awstest.S3(t))
	a := h.Do("POST", "/catalog/apply", nil)
	require.Equal(t, http.StatusServiceUnavailable, a.Status)
	require.Equal(t, "temporal_unavailable", a.Problem(t).Code)
	require.Equal(t, "temporal_unavailable", h.Do("GET", "/catalog", nil).Problem(t).Code)
	require.Equal(t, http.StatusForbidden, h.DoAs(h.TokenWith("reader", apiclient.ScopeRead), "POST", "/catalog/apply", nil).Status)
}
