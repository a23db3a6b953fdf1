package apiclient

import (
	"context"
	"net/http"
	"time"
)

// CatalogReport is the state of the imported catalogs.
type CatalogReport struct {
	Application *CatalogApplication `json:"application,omitempty" doc:"The last application. Absent if there was none."`
}

// CatalogApplication is a comparison of the imported catalogs with the versions that
// exist, which overrides the availability of items where they differ. It counts items.
type CatalogApplication struct {
	WorkflowRunID string    `json:"workflow_run_id"`
	State         string    `json:"state" enum:"running,succeeded,failed"`
	StartedAt     time.Time `json:"started_at"`
	EndedAt       time.Time `json:"ended_at,omitzero"`
	Items         int64     `json:"items" doc:"Items of the catalogs."`
	Complete      bool      `json:"complete" doc:"Whether one of the catalogs is complete: items that it and later ones lack are unavailable."`
	Unavailable   int64     `json:"unavailable" doc:"Items that the catalogs make unavailable, although a version has them as available."`
	Available     int64     `json:"available" doc:"Items that the catalogs make available, although a version has them as unavailable."`
	Changed       int64     `json:"changed" doc:"Items whose override this application has set or removed."`
	Error         string    `json:"error,omitempty" doc:"Why it failed."`
}

// Catalog returns the last application of the imported catalogs.
func (c *Client) Catalog(ctx context.Context) (out CatalogReport, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/catalog", nil, nil, nil, &out)
	return out, err
}

// ApplyCatalog starts an application of the imported catalogs.
func (c *Client) ApplyCatalog(ctx context.Context) (out CatalogApplication, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/catalog/apply", nil, nil, nil, &out)
	return out, err
}
