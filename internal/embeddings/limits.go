package embeddings

// Limits on a file, beside those that recsys sets on its size and rows. They
// bound what a hostile file can make the reader allocate; a file that Spark
// writes stays far below them.
const (
	maxFooterBytes   = 16 << 20 // of the Parquet footer
	maxFooterItems   = 1 << 18  // list elements in the footer, of at most about 600 bytes each once decoded
	maxHeaderBytes   = 64 << 10 // of a page header; the statistics in it are bounded by the writer
	maxPageBytes     = 64 << 20 // of a page, compressed or not; Spark writes 1 MiB
	maxPageValues    = 16 << 20 // values in a page, nulls included
	maxBatchRows     = 4096
	maxBatchElements = 1 << 18 // elements of one column in a batch, unless one row has more
)

// Limits on single values. A category and a tag become keys of an index, whose
// entries Postgres bounds at about 2,700 bytes.
const (
	maxTitleBytes    = 16 << 10
	maxCategoryBytes = 1 << 10
	maxTagBytes      = 1 << 10
	maxTags          = 1 << 10
	maxHistory       = 1 << 18 // entries of history_items and of met_items
)
