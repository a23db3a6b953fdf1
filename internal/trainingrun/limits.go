package trainingrun

// Limits on a file, beside those that recsys sets on its size and rows. They
// bound what a hostile file can make the reader allocate; a file that Spark
// writes stays far below them.
const (
	maxFooterBytes   = 16 << 20 // of the Parquet footer
	maxFooterItems   = 1 << 18  // list elements in the footer
	maxHeaderBytes   = 64 << 10 // of a page header; the statistics in it are bounded by the writer
	maxPageBytes     = 64 << 20 // of a page, compressed or not; Spark writes 1 MiB
	maxPageValues    = 16 << 20 // values in a page, nulls included
	maxBatchRows     = 4096
	maxBatchElements = 1 << 18 // elements of one column in a batch, unless one row has more
)

// maxHistory is the most entries of history_items and of met_items. The limits
// on an item's texts are those of recsys, which an import holds them to as well.
const maxHistory = 1 << 18
