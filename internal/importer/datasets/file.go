// Package datasets knows data sets by name: their files, what the columns mean,
// how a row becomes an item, and where to get them.
package datasets

import (
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

// File is a file of events or items with what is known of it beforehand.
type File struct {
	Path    string
	Format  string // of package tabular
	DataSet string // that it belongs to; empty: none that is known
	Rules   mapping.Rules

	Item      mapping.ItemMapper   // nil: mapping.PlainItem
	MoreItems []recsys.Item        // items that the file lacks
	Watch     func(*mapping.Event) // sees every accepted event; nil: nobody
}
