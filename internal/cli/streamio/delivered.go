package streamio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/gzip"

	"github.com/recflow/recflow/internal/awsclient"
)

// maxDeliveredLine is the maximum length of a line in a delivered object, larger
// than a delivery record.
const maxDeliveredLine = 1 << 20

// EachDelivered calls each for the documents of an object that Firehose delivered:
// gzip with any number of members, one document per line.
func EachDelivered[T any](ctx context.Context, bucket *awsclient.S3, key string, each func(T)) error {
	object, err := bucket.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer object.Close()
	unpacked, err := gzip.NewReader(object)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(make([]byte, 64<<10), maxDeliveredLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var document T
		if err := json.Unmarshal(lines.Bytes(), &document); err != nil {
			return fmt.Errorf("%s, line %d: %w", key, n, err)
		}
		each(document)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	return nil
}
