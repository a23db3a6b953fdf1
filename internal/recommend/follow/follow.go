// Package follow keeps a recommend.Memory at the live version, and reports the
// process as a reader.
package follow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
)

// Follower loads the live version into a Memory, and the version that is about to be
// promoted next to it, so that a promotion or a rollback causes no searches in
// Postgres. It reports the process as a reader (versions.Store.PrepareReaders waits
// for these reports).
type Follower struct {
	Memory   *recommend.Memory // nil: Postgres is searched
	Versions *versions.Store
	Reader   versions.Reader // the report; Prepared is set by Run
	Log      *slog.Logger

	loaded, failed versions.LivePointer // without a candidate
	failedAt       time.Time
	reportAt       time.Time
}

// retryAfter is the time after which a version is loaded again that failed to load.
const retryAfter = time.Minute

// readTimeout bounds reading the pointer and reporting: a connection to a server that
// was lost must not keep the process at an old version.
const readTimeout = 5 * time.Second

// Run reads the live pointer at every interval until ctx ends.
func (f *Follower) Run(ctx context.Context, interval time.Duration) {
	for wait := time.Duration(0); ; wait = interval {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if f.Memory != nil {
			read, cancel := context.WithTimeout(ctx, readTimeout)
			at, err := f.Versions.LivePointer(read)
			cancel()
			if err == nil { // requests report an unavailable database
				f.follow(ctx, at)
				f.prepare(ctx, at)
			}
		}
		f.report(ctx)
	}
}

// follow loads the live version if it has changed.
func (f *Follower) follow(ctx context.Context, at versions.LivePointer) {
	at.Candidate = 0
	f.Memory.SetUnused(at.Version == 0)
	if at.Version == 0 || at == f.loaded || at == f.failed && time.Since(f.failedAt) < retryAfter {
		return
	}
	otherwise := "searching in Postgres"
	if f.Memory.Required {
		otherwise = "lists fail because RECFLOW_SEARCH is memory"
	}
	v, err := f.Versions.Version(ctx, at.Version)
	if err == nil {
		err = f.Memory.Load(ctx, v)
	}
	if err != nil {
		f.failed, f.failedAt = at, time.Now()
		if ctx.Err() == nil {
			f.Log.Warn("index not loaded, "+otherwise, "version", at.Version, "error", err)
		}
		return
	}
	if s := f.Memory.Status(); s.State == recommend.IndexInMemory {
		f.Log.Info("index loaded", "version", v.ID, "items", s.Items, "bytes", s.Bytes, "duration_ms", s.Took.Milliseconds())
	} else {
		f.Log.Info("the items exceed RECFLOW_SEARCH_MEMORY, "+otherwise, "version", v.ID, "items", v.Items)
	}
	f.loaded = at
}

// prepare loads the candidate, and reports that nothing more will be done for it even
// if it does not fit or fails to load: its promotion must not wait for this process.
func (f *Follower) prepare(ctx context.Context, at versions.LivePointer) {
	if at.Candidate == f.Reader.Prepared {
		return
	}
	if at.Candidate != 0 {
		v, err := f.Versions.Version(ctx, at.Candidate)
		if err == nil {
			err = f.Memory.Preload(ctx, v)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.Log.Warn("candidate not loaded", "version", at.Candidate, "error", err)
		default:
			f.Log.Info("candidate prepared", "version", at.Candidate, "items_in_memory", f.Memory.Items(v))
		}
	}
	f.Reader.Prepared, f.reportAt = at.Candidate, time.Time{}
}

// report reports the process if something has changed or enough time has passed.
func (f *Follower) report(ctx context.Context) {
	if time.Now().Before(f.reportAt) {
		return
	}
	f.reportAt = time.Now().Add(versions.ReportEvery)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := f.Versions.ReportReader(ctx, f.Reader); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		f.Log.Warn("failed to report this process as a reader", "error", err)
	}
}
