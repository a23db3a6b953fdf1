package awsclient

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
)

// maxDelivered limits a line of a delivered object, in bytes: larger than a delivery
// record.
const maxDelivered = 1 << 20

// ErrDamaged marks an object that is not valid Firehose output.
var ErrDamaged = errors.New("damaged")

// EachDelivered calls f for the documents of an object that Firehose delivered until
// f returns false: gzip in any number of members, one JSON document per line. It
// returns ErrDamaged at the first invalid data.
func EachDelivered[T any](ctx context.Context, bucket *S3, key string, f func(T) bool) error {
	object, err := bucket.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer object.Close()
	unpacked, err := gzip.NewReader(object)
	if err != nil {
		return deliveredError(key, err)
	}
	lines := bufio.NewScanner(unpacked)
	lines.Buffer(make([]byte, 64<<10), maxDelivered)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var document T
		if err := json.Unmarshal(lines.Bytes(), &document); err != nil {
			return fmt.Errorf("%s, line %d: %w: %w", key, n, ErrDamaged, err)
		}
		if !f(document) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return deliveredError(key, err)
	}
	return nil
}

// deliveredError distinguishes an invalid object from a failed read.
func deliveredError(key string, err error) error {
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
