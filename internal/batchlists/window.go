package batchlists

import (
	"context"
	"io"
	"iter"
	"runtime"
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// Window is users whose lists are written together.
type Window struct {
	Recommender *recommend.Recommender
	Request     recommend.Request        // of every list; its UserID is ignored
	Users       iter.Seq2[string, error] // in ascending order
	Dir         string                   // of temporary files; empty: the system's default

	// Put stores a complete file. Parts are numbered from 0.
	Put func(part int, content io.ReadSeeker, rows, bytes int64) error
	// Progress is called after every list with their number so far.
	Progress func(lists int64)
}

// Write writes the lists, on all cores and in bounded memory, and returns their
// number by stage.
func (w Window) Write(ctx context.Context) (stages map[string]int64, err error) {
	files := &Files{Dir: w.Dir, K: w.Request.K, Put: w.Put}
	defer files.Abort()
	stages = map[string]int64{}
	var lists int64
	// One reader more than cores, for the time of round trips.
	err = w.Recommender.RecommendAll(ctx, w.Request, w.Users, runtime.GOMAXPROCS(0)+1, func(l recommend.List, at time.Time) error {
		stages[l.Stage]++
		lists++
		w.Progress(lists)
		return files.Write(l, at)
	})
	if err != nil {
		return nil, err
	}
	return stages, files.Close()
}

// usersPerPage is the number of ids that are read at once.
const usersPerPage = 2000

// AllUsers yields the ids of the users of the version, which are read page by page,
// and of the users whose first events it does not cover, who are read at the
// beginning, in ascending order.
func AllUsers(ctx context.Context, store *embeddings.Store, v recsys.Version, hashes backfill.HashRange) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		added, err := store.NewUserIDs(ctx, v, hashes)
		if err != nil {
			yield("", err)
			return
		}
		for after := ""; ; {
			page, err := store.UserIDs(ctx, v, hashes, after, usersPerPage)
			if err != nil {
				yield("", err)
				return
			}
			for _, id := range page {
				for len(added) > 0 && added[0] < id {
					if !yield(added[0], nil) {
						return
					}
					added = added[1:]
				}
				if !yield(id, nil) {
					return
				}
			}
			if len(page) < usersPerPage {
				break
			}
			after = page[len(page)-1]
		}
		for _, id := range added {
			if !yield(id, nil) {
				return
			}
		}
	}
}
