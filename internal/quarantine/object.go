package quarantine

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
	"github.com/recflow/recflow/internal/stream"
)

// maxLine limits a line of an object, in bytes: larger than a delivery record.
const maxLine = 1 << 20

// errDamaged marks an object that is not valid Firehose output.
var errDamaged = errors.New("damaged")

// eachRecord calls f for the records of an object until f returns false: gzip
// in any number of members, one record per line. It returns errDamaged at the
// first invalid data.
func eachRecord(ctx context.Context, bucket *awsclient.S3, key string, f func(stream.Quarantined) bool) error {
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
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var q stream.Quarantined
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("%s, line %d: %w: %w", key, n, errDamaged, err)
		}
		if !f(q) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return readError(key, err)
	}
	return nil
}

// readError distinguishes an invalid object from a failed read.
func readError(key string, err error) error {
	var corrupt flate.CorruptInputError
	damaged := errors.As(err, &corrupt)
	for _, content := range []error{gzip.ErrHeader, gzip.ErrChecksum, io.EOF, io.ErrUnexpectedEOF, bufio.ErrTooLong} {
		damaged = damaged || errors.Is(err, content)
	}
	if damaged {
		return fmt.Errorf("read %s: %w: %w", key, errDamaged, err)
	}
	return fmt.Errorf("read %s: %w", key, err)
}
