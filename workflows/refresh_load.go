package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/recflow/recflow/activities"
)

// load copies every file of the manifest into the version, several at a time.
// The first failure cancels the others. It waits for all of them, so that
// nothing writes during the compensation.
func (r *refresh) load(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var (
		selector      = workflow.NewSelector(ctx)
		next, running int
		failure       error
	)
	for next < r.progress.FilesTotal || running > 0 {
		for failure == nil && next < r.progress.FilesTotal && running < r.loadParallel {
			file := next
			selector.AddFuture(r.loadFile(ctx, file), func(f workflow.Future) {
				running--
				var out activities.LoadFileResult
				if err := f.Get(ctx, &out); err != nil {
					if failure == nil {
						failure = err
					}
					cancel()
					return
				}
				r.progress.FilesDone++
				r.loaded(file, out.Rows)
			})
			next, running = next+1, running+1
		}
		if running == 0 {
			break // failed before the last file was started
		}
		selector.Select(ctx)
	}
	return failure
}

func (r *refresh) loadFile(ctx workflow.Context, file int) workflow.Future {
	// A file has at most 4 GiB, which takes this long on a slow network.
	ctx = workflow.WithActivityOptions(ctx, longStep(4*time.Hour, fmt.Sprintf("load file %d of %d", file+1, r.progress.FilesTotal)))
	return workflow.ExecuteActivity(ctx, do.LoadFile, activities.LoadFileInput{Version: r.progress.Version, File: file})
}

// loaded records how many rows of a file are loaded.
func (r *refresh) loaded(file int, rows int64) {
	if file < 0 || file >= len(r.fileRows) {
		return
	}
	r.progress.RowsLoaded += rows - r.fileRows[file]
	r.fileRows[file] = rows
	r.setDetail(fmt.Sprintf("%d of %d files, %d of %d rows",
		r.progress.FilesDone, r.progress.FilesTotal, r.progress.RowsLoaded, r.progress.RowsTotal))
}
