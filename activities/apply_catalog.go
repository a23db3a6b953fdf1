package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/rawdata"
	"github.com/recflow/recflow/internal/recsys"
)

// ApplyCatalogResult counts the items of the catalog, and the overrides that it has
// now. The fields are those of embeddings.AppliedCatalog.
type ApplyCatalogResult struct {
	Items       int64 `json:"items"`
	Complete    bool  `json:"complete"`
	Unavailable int64 `json:"unavailable"`
	Available   int64 `json:"available"`
	Changed     int64 `json:"changed"`
}

// ApplyCatalog makes the availability of the items in the imported catalogs apply to
// the versions that exist. It compares everything each time, so it is idempotent, and
// concurrent ones run one after the other. It heartbeats the rows read and the items
// changed. An object that is not a catalog ends it as DataInvalid before anything is
// changed, as it ends a training.
func (a *Activities) ApplyCatalog(ctx context.Context) (ApplyCatalogResult, error) {
	beat := a.report(ctx)
	defer beat.stop()
	rows := func(yield func(recsys.CatalogRow, error) bool) {
		n := 0
		for row, err := range rawdata.Catalog(ctx, a.S3, a.TempDir) {
			if n++; n%10_000 == 0 {
				beat.set(Note{Detail: fmt.Sprintf("%d rows of catalogs read", n)})
			}
			if !yield(row, err) {
				return
			}
		}
	}
	out, err := a.Embeddings.ApplyCatalog(ctx, rows, func(n int64) { beat.set(Note{Detail: fmt.Sprintf("%d items changed", n)}) })
	if err != nil {
		return ApplyCatalogResult{}, err
	}
	activity.GetLogger(ctx).Info("applied the catalog", "items", out.Items, "complete", out.Complete, "unavailable", out.Unavailable,
		"available", out.Available, "changed", out.Changed)
	return ApplyCatalogResult(out), nil
}
