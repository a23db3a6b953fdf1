package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"

	"go.temporal.io/sdk/activity"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
)

// LoadFileInput names a file by its index in the manifest that is stored with
// the version.
type LoadFileInput struct {
	Version int64 `json:"version"`
	File    int   `json:"file"`
}

// LoadFileResult is the number of rows that were loaded.
type LoadFileResult struct {
	Rows int64 `json:"rows"`
}

// LoadFile downloads one Parquet file, checks it, and copies it into its table
// in one transaction. A fencing token makes it idempotent: only the newest
// claim on the file can commit, and a file that was loaded is skipped. It
// heartbeats the rows sent so far.
func (a *Activities) LoadFile(ctx context.Context, in LoadFileInput) (LoadFileResult, error) {
	beat := a.report(ctx)
	defer beat.stop()
	claim, err := a.Versions.Claim(ctx, in.Version, "file-"+strconv.Itoa(in.File))
	if err != nil {
		return LoadFileResult{}, a.fenced(ctx, in.Version, err)
	}
	if claim.Done {
		return LoadFileResult{Rows: claim.Rows}, nil
	}
	m, err := a.Versions.Manifest(ctx, in.Version)
	if err != nil {
		return LoadFileResult{}, err
	}
	if in.File < 0 || in.File >= len(m.Files) {
		return LoadFileResult{}, fmt.Errorf("%w: it has %d files and no file with index %d", recsys.ErrManifestInvalid, len(m.Files), in.File)
	}
	f := m.Files[in.File]
	beat.set(Note{Detail: "download " + path.Base(f.Key), File: in.File + 1})

	file, err := trainingrun.Fetch(ctx, func(ctx context.Context, offset int64) (io.ReadCloser, error) {
		return a.S3.Open(ctx, f.Key, offset)
	}, f, a.TempDir)
	if err != nil {
		return LoadFileResult{}, missingObject(ctx, f, err)
	}
	defer file.Close()
	reader, err := trainingrun.Open(file, f.Bytes, f, m.Dimension)
	if err != nil {
		return LoadFileResult{}, err
	}
	defer reader.Close()
	rows, err := a.Versions.CopyFile(ctx, claim, reader, versions.WithProgress(func(rows int64) {
		beat.set(Note{Detail: "copy " + path.Base(f.Key), File: in.File + 1, Rows: rows})
	}))
	return LoadFileResult{Rows: rows}, a.fenced(ctx, in.Version, err)
}

// missingObject maps a missing object that the manifest names to
// recsys.ErrManifestInvalid.
func missingObject(ctx context.Context, f recsys.File, err error) error {
	switch {
	case errors.Is(err, recsys.ErrNotFound):
		return fmt.Errorf("%w: %s is not in the bucket: %w", recsys.ErrManifestInvalid, f.Key, err)
	case awsclient.Forbidden(err):
		return forbidden(activity.GetInfo(ctx).Attempt, f.Key, err)
	}
	return err
}

// forbiddenAttempts is the number of attempts to read an object that S3 refuses: a
// permission takes a while to be effective.
const forbiddenAttempts = 5

// forbidden returns the error for an object of a run that S3 refuses to read. The last
// attempt is final: the object is missing, or a permission is.
func forbidden(attempt int32, key string, err error) error {
	err = fmt.Errorf("%s is missing, or the worker's role lacks s3:GetObject on embeddings/* or s3:ListBucket on the bucket: %w", key, err)
	if attempt >= forbiddenAttempts {
		return fmt.Errorf("%w: %w", recsys.ErrManifestInvalid, err)
	}
	return err
}

// fenced distinguishes an attempt that lost to another one, which is retryable,
// from one whose version was dropped, which is not.
func (a *Activities) fenced(ctx context.Context, version int64, err error) error {
	if !errors.Is(err, recsys.ErrFenced) {
		return err
	}
	v, readErr := a.Versions.Version(ctx, version)
	if readErr == nil && (v.State == recsys.Failed || v.State == recsys.Dropped) {
		return fmt.Errorf("%w: version is %s: %s", recsys.ErrVersionGone, v.State, v.Failure)
	}
	return err
}
