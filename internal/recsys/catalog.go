package recsys

import "time"

// CatalogRow is a row of a catalog, as far as it decides whether its item is available.
type CatalogRow struct {
	ItemID    string
	Available bool
	Source    string    // of several rows with one time, that of the last source counts
	Written   time.Time // when the catalog became current

	// ReplacesBefore is the time before which this catalog, which is complete,
	// replaces all others; zero if it is not complete.
	ReplacesBefore time.Time
}
