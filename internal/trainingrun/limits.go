package trainingrun

import (
	"github.com/parquet-go/parquet-go/format"

	"github.com/recflow/recflow/internal/safeparquet"
)

// Limits on a file, in addition to the limits of recsys on its size and rows.
// They limit the memory that a hostile file can make the reader allocate; files
// written by Spark are far below them. The limits on an item's texts and on a
// user's history are those of recsys, too.
var fileLimits = safeparquet.Limits{
	FooterBytes: 16 << 20,
	FooterItems: 1 << 18,
	PageBytes:   64 << 20, // Spark writes 1 MiB
	PageValues:  16 << 20,
	Codecs:      []format.CompressionCodec{format.Snappy, format.Uncompressed},
}

// Limits on a batch.
const (
	maxBatchRows     = 4096
	maxBatchElements = 1 << 18 // elements of one column in a batch, unless one row has more
)
