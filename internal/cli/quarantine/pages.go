package quarantine

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

const (
	// largestPage is the maximum number of records that the API lists at once.
	largestPage = 1000

	// deliveryDelay is the maximum time between quarantining a record and its
	// delivery.
	deliveryDelay = time.Hour
)

// pages lists quarantined records page by page, and skips those that it has
// seen.
type pages struct {
	app  *app.App
	api  *apiclient.Client
	from time.Time       // skip records quarantined before this time
	seen map[string]bool // ids of records, and keys of damaged objects
}

func newPages(a *app.App, api *apiclient.Client, since time.Duration) *pages {
	return &pages{app: a, api: api, from: time.Now().Add(-since), seen: map[string]bool{}}
}

// days returns the days on which the selected records may have been delivered,
// in order.
func (p *pages) days() (days []time.Time) {
	day := p.from.UTC().Truncate(24 * time.Hour)
	for ; !day.After(time.Now().Add(deliveryDelay)); day = day.AddDate(0, 0, 1) {
		days = append(days, day)
	}
	return days
}

// each calls f for the records of a query until it returns false.
func (p *pages) each(ctx context.Context, q apiclient.QuarantineQuery, f func(apiclient.QuarantineRecord) (more bool, err error)) error {
	for {
		page, err := app.Unthrottled(ctx, func() (apiclient.Quarantine, error) { return p.api.Quarantine(ctx, q) })
		if err != nil {
			return app.ExplainAPI(err)
		}
		for _, key := range page.Damaged {
			if !p.seen[key] {
				p.seen[key] = true
				fmt.Fprintf(p.app.Err, "%s is damaged and was read in part\n", key)
			}
		}
		for _, r := range page.Items {
			if r.QuarantinedAt.Before(p.from) {
				if !q.Oldest {
					return nil
				}
				continue
			}
			if p.seen[r.QuarantineID] {
				continue
			}
			p.seen[r.QuarantineID] = true
			if more, err := f(r); err != nil || !more {
				return err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}
