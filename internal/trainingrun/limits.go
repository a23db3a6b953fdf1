package trainingrun

// Limits on a file, in addition to the limits of recsys on its size and rows.
// They limit the memory that a hostile file can make the reader allocate; files
// written by Spark are far below them. The limits on an item's texts and on a
// user's history are those of recsys, too.
const (
	maxFooterBytes   = 16 << 20 // size of the Parquet footer
	maxFooterItems   = 1 << 18  // list elements in the footer
	maxHeaderBytes   = 64 << 10 // size of a page header; the writer limits the statistics in it
	maxPageBytes     = 64 << 20 // size of a page, compressed or not; Spark writes 1 MiB
	maxPageValues    = 16 << 20 // values in a page, including nulls
	maxBatchRows     = 4096
	maxBatchElements = 1 << 18 // elements of one column in a batch, unless one row has more
)
