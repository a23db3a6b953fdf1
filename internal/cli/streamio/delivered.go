package streamio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/recflow/recflow/internal/awsclient"
)

// maxDeliveredLine is the longest line of a delivered object, and more than a
// delivery record.
const maxDeliveredLine = 1 << 20

// ErrDamaged says that an object does not hold what Firehose delivers.
var ErrDamaged = errors.New("damaged")

// EachDelivered calls each for the documents of an object that Firehose has
// delivered: gzip in any number of members, one document a line. It ends with
// errDamaged at what is something else.
func EachDelivered[T any](ctx context.Context, bucket *awsclient.S3, key string, each func(T)) error {
	object, err := bucket.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer object.Close()
	unpacked, err := gzip.NewReader(object)
	if err != nil {
		return readError(key, err)
	}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(make([]byte, 64<<10), maxDeliveredLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var document T
		if err := json.Unmarshal(lines.Bytes(), &document); err != nil {
			return fmt.Errorf("%s, line %d: %w: %w", key, n, ErrDamaged, err)
		}
		each(document)
	}
	if err := lines.Err(); err != nil {
		return readError(key, err)
	}
	return nil
}

// readError tells an object that cannot be understood from one that cannot be read.
func readError(key string, err error) error {
	var corrupt flate.CorruptInputError
	damaged := errors.As(err, &corrupt)
	for _, content := range []error{gzip.ErrHeader, gzip.ErrChecksum, io.EOF, io.ErrUnexpectedEOF, bufio.ErrTooLong} {
		damaged = damaged || errors.Is(err, content)
	}
	if damaged {
		return fmt.Errorf("read %s: %w: %w", key, ErrDamaged, err)
	}
	return fmt.Errorf("read %s: %w", key, err)
}
