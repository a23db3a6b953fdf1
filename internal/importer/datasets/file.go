// Package datasets has the data sets that are known by name: their files, the
// meaning of the columns, how a row becomes an item, and where to download
// them.
package datasets

import (
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// File is a file of events or items whose columns may be known.
type File struct {
	Path     string
	Format   string // a format of package tabular
	DataSet  string // name of its data set; empty: none
	Rules    mapping.Rules
	Encoding string // of a text; empty: that of the options
	// Constants are columns that every row has, from the names of the folders.
	Constants []tabular.Constant
	Err       error // why the file cannot be read; nil: it has not been tried

	Item      mapping.ItemMapper   // nil: mapping.PlainItem
	MoreItems []recsys.Item        // items that are missing in the file
	Watch     func(*mapping.Event) // called with every accepted event; may be nil
}
