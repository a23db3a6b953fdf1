package trainingrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/recflow/recflow/internal/recsys"
)

// fetchTries is the maximum number of consecutive download attempts that
// receive no byte.
const fetchTries = 4

// Fetch downloads a file of a run into dir and checks its size and SHA-256
// against the manifest. open returns the content from an offset on; Fetch calls
// it again when a body is interrupted. Memory use does not depend on the size.
//
// The returned file is positioned at its beginning and is already unlinked:
// closing it, or the end of the process, frees its space. An error wraps
// recsys.ErrManifestInvalid if the content differs from the manifest.
func Fetch(ctx context.Context, open func(ctx context.Context, offset int64) (io.ReadCloser, error), f recsys.File, dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "recflow-*.parquet")
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", f.Key, err)
	}
	err = os.Remove(file.Name())
	if err == nil {
		err = fetch(ctx, open, f, file)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("fetch %s: %w", f.Key, err)
	}
	return file, nil
}

func fetch(ctx context.Context, open func(ctx context.Context, offset int64) (io.ReadCloser, error), f recsys.File, file *os.File) error {
	sum := sha256.New()
	to := io.MultiWriter(file, sum)
	buffer := make([]byte, 256<<10)
	for have, tries := int64(0), 0; ; {
		n, err := fetchFrom(ctx, open, to, have, f.Bytes, buffer)
		have += n
		if err == nil {
			break
		}
		var broken *brokenBody
		if tries++; n > 0 {
			tries = 1
		}
		if ctx.Err() != nil || !errors.As(err, &broken) || tries >= fetchTries {
			return err
		}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%w: its sha256 is %s and the manifest says %s", recsys.ErrManifestInvalid, got, f.SHA256)
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}

// brokenBody is the error of an interrupted body.
type brokenBody struct{ err error }

func (e *brokenBody) Error() string { return e.err.Error() }
func (e *brokenBody) Unwrap() error { return e.err }

// fetchFrom copies the content from offset on and returns how much it copied.
// It returns nil if the file is complete, and a brokenBody if the caller should
// continue at a later offset.
func fetchFrom(ctx context.Context, open func(ctx context.Context, offset int64) (io.ReadCloser, error), to io.Writer, offset, size int64, buffer []byte) (n int64, err error) {
	body, err := open(ctx, offset)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	for {
		m, readErr := body.Read(buffer)
		if int64(m) > size-offset-n {
			return n, fmt.Errorf("%w: it is longer than the %d bytes of the manifest", recsys.ErrManifestInvalid, size)
		}
		if _, err := to.Write(buffer[:m]); err != nil {
			return n, err
		}
		n += int64(m)
		switch {
		case errors.Is(readErr, io.EOF) && offset+n == size:
			return n, nil
		case errors.Is(readErr, io.EOF):
			return n, fmt.Errorf("%w: it is %d bytes long and the manifest says %d", recsys.ErrManifestInvalid, offset+n, size)
		case readErr != nil && offset+n == size:
			return n, nil // complete; the SHA-256 is checked afterwards
		case readErr != nil:
			return n, &brokenBody{readErr}
		}
		if err := ctx.Err(); err != nil {
			return n, err
		}
	}
}
