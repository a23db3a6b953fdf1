package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/batchlists"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// WriteListsInput names a window of a lists backfill.
type WriteListsInput struct {
	BackfillID string                `json:"backfill_id"`
	RunID      string                `json:"run_id"`
	Window     int                   `json:"window"`
	Windows    int                   `json:"windows"`
	Attempt    int                   `json:"attempt"` // of the window in the ledger
	Version    int64                 `json:"version"`
	Settings   backfill.ListSettings `json:"settings"`
}

// WriteLists writes the lists of the users of a window to the bucket. Its files have
// the same names in every attempt: it replaces those of an earlier attempt, and
// deletes the ones that it did not write. It heartbeats, and records its progress in
// the ledger. If the worker is busy with another search, it returns at once, to be
// tried on any worker.
func (a *Activities) WriteLists(ctx context.Context, in WriteListsInput) (backfill.WrittenLists, error) {
	beat := reportTo(ctx, func(ctx context.Context, n Note) {
		if err := a.Ledger.RecordLists(ctx, in.BackfillID, in.Window, in.Attempt, n.Rows); err != nil {
			activity.GetLogger(ctx).Warn("failed to record progress", "backfill", in.BackfillID, "window", in.Window, "error", err)
		}
	})
	defer beat.stop()
	memory, release, free := a.Search.TryAcquire()
	if !free {
		return backfill.WrittenLists{}, busy()
	}
	defer func() { release() }()
	v, err := a.readable(ctx, in.Version)
	if err != nil {
		return backfill.WrittenLists{}, err
	}
	beat.set(Note{Detail: "load the index"})
	if err := memory.Load(ctx, v); err != nil {
		return backfill.WrittenLists{}, err
	}
	if memory.Items(v) == 0 {
		activity.GetLogger(ctx).Info("the items exceed RECFLOW_SEARCH_MEMORY, searching in Postgres", "version", v.ID, "items", v.Items)
		release() // others may use the memory
		memory, release = nil, func() {}
	}
	users, err := a.usersOf(ctx, v, in)
	if err != nil {
		return backfill.WrittenLists{}, err
	}
	out := backfill.WrittenLists{Files: []backfill.ListFile{}}
	window := batchlists.Window{
		Recommender: &recommend.Recommender{Versions: a.Versions, Embeddings: a.Embeddings, Memory: memory},
		Request:     listRequest(in), Users: users, Dir: a.TempDir,
		Put: func(part int, content io.ReadSeeker, rows, bytes int64) error {
			file := backfill.ListFile{Key: backfill.ListsFileKey(in.RunID, in.Window, part), Rows: rows, Bytes: bytes}
			out.Files, out.Lists = append(out.Files, file), out.Lists+rows
			return notWritten(ctx, a.S3.Put(ctx, file.Key, content))
		},
		Progress: func(lists int64) { beat.set(Note{Detail: "write lists", Rows: lists}) },
	}
	out.Stages, err = window.Write(ctx)
	if err == nil {
		err = a.deleteOthers(ctx, backfill.ListsWindowPrefix(in.RunID, in.Window), out.Files)
	}
	return out, a.dropped(ctx, in.Version, err)
}

func listRequest(in WriteListsInput) recommend.Request {
	s := in.Settings
	return recommend.Request{K: s.K, Category: s.Category, Tags: s.Tags, Version: in.Version, ExcludeSeen: s.ExcludeSeen}
}

// readable returns a version with data, or recsys.ErrVersionGone.
func (a *Activities) readable(ctx context.Context, version int64) (recsys.Version, error) {
	v, err := a.Versions.Version(ctx, version)
	if err == nil && v.State != recsys.Ready && v.State != recsys.Refused {
		err = fmt.Errorf("version %d is %s: %w", version, v.State, recsys.ErrVersionGone)
	}
	return v, err
}

// dropped returns recsys.ErrVersionGone instead of an error that occurred because the
// version was dropped.
func (a *Activities) dropped(ctx context.Context, version int64, err error) error {
	if !errors.Is(err, recsys.ErrNotFound) {
		return err
	}
	if _, gone := a.readable(ctx, version); gone != nil {
		return gone
	}
	return err
}

// notWritten makes an error of the bucket final if a retry cannot succeed.
func notWritten(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && !awsclient.Retryable(err) {
		return temporal.NewNonRetryableApplicationError(err.Error(), ListsNotWritten, nil)
	}
	return err
}

// deleteOthers deletes the objects under a prefix that are not among the files.
func (a *Activities) deleteOthers(ctx context.Context, prefix string, files []backfill.ListFile) error {
	var others []string
	for o, err := range a.S3.List(ctx, prefix) {
		if err != nil {
			return notWritten(ctx, err)
		}
		if !slices.ContainsFunc(files, func(f backfill.ListFile) bool { return f.Key == o.Key }) {
			others = append(others, o.Key)
		}
	}
	return notWritten(ctx, a.S3.DeleteObjects(ctx, others...))
}

// usersOf returns the ids of the users of a window, in ascending order.
func (a *Activities) usersOf(ctx context.Context, v recsys.Version, in WriteListsInput) (iter.Seq2[string, error], error) {
	hashes := backfill.WindowHashes(in.Window, in.Windows)
	if in.Settings.Users != "" {
		ids, err := a.readUsers(ctx, in.Settings.Users, hashes)
		return func(yield func(string, error) bool) {
			for _, id := range ids {
				if !yield(id, nil) {
					return
				}
			}
		}, err
	}
	return batchlists.AllUsers(ctx, a.Embeddings, v, hashes), nil
}

// maxUsersBytes limits the size of a file of users, which is copied to the local disk.
const maxUsersBytes = 4 << 30

// maxFileUsers limits the users of a window that come from a file: their ids are in
// memory.
const maxFileUsers = 5_000_000

// readUsers returns the ids in a file of users whose hash is in a range, each once,
// in ascending order. A missing or invalid file is recsys.ErrDataInvalid.
func (a *Activities) readUsers(ctx context.Context, key string, hashes backfill.HashRange) (ids []string, err error) {
	err = a.eachUser(ctx, key, func(id string) error {
		if !hashes.Contains(id) {
			return nil
		}
		if len(ids) == maxFileUsers {
			slices.Sort(ids)
			if ids = slices.Compact(ids); len(ids) == maxFileUsers {
				return fmt.Errorf("%w: %s has more than %d users in one window; use more windows", recsys.ErrDataInvalid, key, maxFileUsers)
			}
		}
		ids = append(ids, id)
		return nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// eachUser calls each with every id in a file of users in the bucket.
func (a *Activities) eachUser(ctx context.Context, key string, each func(id string) error) error {
	object, err := a.S3.Open(ctx, key, 0)
	switch {
	case err != nil && ctx.Err() == nil && !awsclient.Retryable(err):
		// Without the permission to list it, S3 denies access to an object that does not
		// exist.
		return fmt.Errorf("%w: the file of users %s is not in the bucket or cannot be read: %w", recsys.ErrDataInvalid, key, err)
	case err != nil:
		return err
	}
	defer object.Close()
	if size := object.Object().Size; size > maxUsersBytes {
		return fmt.Errorf("%w: %s has %d bytes, at most %d are accepted; split the file", recsys.ErrDataInvalid, key, size, int64(maxUsersBytes))
	}
	file, err := tabular.OpenStream(ctx, key, object, a.TempDir, func(int64) {})
	if err != nil {
		return err
	}
	defer file.Close()
	return batchlists.EachUser(ctx, file, each)
}
