package events

import (
	"context"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

const (
	lookEvery  = 500 * time.Millisecond // for quarantined events in the listing
	maxLookFor = 1000                   // quarantined events that are looked for
)

// awaitListed waits until `recflow quarantine list` has the events with the given
// ids, which were quarantined since began: the verdict of an event is written
// before Firehose delivers its record to the bucket. It removes those that it
// finds, and returns after the timeout or an error of the listing.
func awaitListed(ctx context.Context, list func(context.Context, apiclient.QuarantineQuery) (apiclient.Quarantine, error),
	ids map[string]bool, began time.Time, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	for len(ids) > 0 {
		for day := began.UTC().Truncate(24 * time.Hour); !day.After(time.Now()); day = day.AddDate(0, 0, 1) {
			if err := findListed(ctx, list, ids, day, began); err != nil {
				return err
			}
		}
		if len(ids) == 0 || time.Now().After(end) {
			break
		}
		if err := app.SleepUntil(ctx, time.Now().Add(lookEvery)); err != nil {
			return err
		}
	}
	return nil
}

// findListed removes the ids of the events of a day, the newest first, up to those
// that were quarantined before began. Clocks may differ by a minute.
func findListed(ctx context.Context, list func(context.Context, apiclient.QuarantineQuery) (apiclient.Quarantine, error),
	ids map[string]bool, day, began time.Time) error {
	q := apiclient.QuarantineQuery{Day: day, Limit: 1000}
	for {
		page, err := list(ctx, q)
		if err != nil {
			return err
		}
		for _, r := range page.Items {
			if r.QuarantinedAt.Before(began.Add(-time.Minute)) {
				return nil
			}
			delete(ids, r.EventID)
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(ids) == 0 {
			return nil
		}
	}
}
