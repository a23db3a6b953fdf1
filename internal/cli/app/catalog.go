package app

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
)

// catalogPoll is the interval between two polls of an application of the catalogs.
const catalogPoll = 500 * time.Millisecond

// ApplyCatalog has the API apply the imported catalogs, and waits until that has ended,
// at most for patience; then the result is still running.
func ApplyCatalog(ctx context.Context, api *apiclient.Client, patience time.Duration) (apiclient.CatalogApplication, error) {
	deadline := time.Now().Add(patience)
	run, err := Unthrottled(ctx, func() (apiclient.CatalogApplication, error) { return api.ApplyCatalog(ctx) })
	if err != nil {
		return run, ExplainAPI(err)
	}
	for run.State == "running" && time.Now().Before(deadline) {
		if err := SleepUntil(ctx, time.Now().Add(catalogPoll)); err != nil {
			return run, err
		}
		report, err := Unthrottled(ctx, func() (apiclient.CatalogReport, error) { return api.Catalog(ctx) })
		if err != nil {
			return run, ExplainAPI(err)
		}
		if report.Application != nil {
			run = *report.Application
		}
	}
	return run, nil
}

// CatalogText describes an application that has not failed, as a sentence.
func CatalogText(run apiclient.CatalogApplication) string {
	if run.State == "running" {
		return "the catalog is being applied; see GET /catalog, or the workflow recflow-catalog in Temporal"
	}
	text := fmt.Sprintf("the catalog applies now: it makes %d items of the versions unavailable", run.Unavailable)
	if run.Available > 0 {
		text += fmt.Sprintf(" and %d available", run.Available)
	}
	return text + fmt.Sprintf("; %d changed", run.Changed)
}
