package imports

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/cli/app"
)

// applyPatience is how long an import waits until its catalog applies.
const applyPatience = 30 * time.Second

// applyCatalog has a complete catalog that was imported apply at once, if an API is
// configured, and prints what happened. Whatever that is, the import has succeeded.
func applyCatalog(ctx context.Context, a *app.App) {
	const (
		later   = "items that the catalog lacks become unavailable with the next version"
		command = "`recflow items apply-catalog` makes them unavailable at once"
	)
	text := later + ", because no API is configured here; " + command
	c, err := a.ClientConfig()
	if err == nil && c.API.URL != "" {
		text, err = applyThrough(ctx, a)
	}
	switch {
	case err != nil:
		fmt.Fprintf(a.Err, "warning: %s, because the catalog could not be applied: %v; %s\n", later, err, command)
	case !a.Quiet:
		fmt.Fprintln(a.Err, text)
	}
}

// applyThrough applies the catalog through the API, and describes the result.
func applyThrough(ctx context.Context, a *app.App) (string, error) {
	api, err := a.OpenAPI()
	if err != nil {
		return "", err
	}
	run, err := app.ApplyCatalog(ctx, api, applyPatience)
	if err == nil && run.State == "failed" {
		err = errors.New(run.Error)
	}
	return app.CatalogText(run), err
}
