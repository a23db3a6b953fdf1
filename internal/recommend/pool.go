package recommend

import (
	"context"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a ReaderPool: idle Readers, and the bytes of cached item vectors in
// each of them.
const (
	maxIdleReaders  = 8
	idleReaderBytes = cacheBytes / maxIdleReaders
)

// ReaderPool caches the live version for a short time, and pools its Readers
// with their caches for reuse. A Reader is used by one call at a time. A nil
// *ReaderPool caches and pools nothing.
type ReaderPool struct {
	liveTTL time.Duration
	now     func() time.Time

	mu       sync.Mutex
	live     recsys.Live
	liveAt   time.Time // when live was requested; zero: live is unknown
	cachedAt time.Time // when live was cached
	resets   int       // a result that was requested before a reset is not cached
	idle     []*Reader // of the live version, the most recently used last
}

// NewReaderPool returns a ReaderPool that follows a promotion within liveTTL.
func NewReaderPool(liveTTL time.Duration) *ReaderPool {
	return &ReaderPool{liveTTL: liveTTL, now: time.Now}
}

// liveStore reads the live version. *versions.Store implements it.
type liveStore interface {
	Live(ctx context.Context) (recsys.Live, error)
	LivePointer(ctx context.Context) (versions.LivePointer, error)
}

// liveVersion returns the live version. It reads the pointer if the cached version
// is older than liveTTL, and the manifest, which has k×k numbers, only after a
// change.
func (p *ReaderPool) liveVersion(ctx context.Context, store liveStore) (recsys.Live, error) {
	if p == nil {
		return store.Live(ctx)
	}
	began := p.now()
	p.mu.Lock()
	live, resets := p.live, p.resets
	valid := !p.liveAt.IsZero() && began.Sub(p.liveAt) < p.liveTTL
	p.mu.Unlock()
	if valid {
		return live, nil
	}
	if live.Revision > 0 {
		at, err := store.LivePointer(ctx)
		if err != nil {
			return recsys.Live{}, err
		}
		if at.Version == live.Version.ID && at.Revision == live.Revision {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.live.Revision == at.Revision {
				p.liveAt = began
			}
			return live, nil
		}
	}
	live, err := store.Live(ctx)
	if err != nil {
		return live, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// A concurrent call may have cached a newer revision. A lower one that was requested
	// afterwards is that of a restored database.
	newer := live.Revision >= p.live.Revision || began.After(p.cachedAt)
	if newer && p.resets == resets {
		if live.Version.ID != p.live.Version.ID || live.Version.RunID != p.live.Version.RunID {
			p.idle = nil
		}
		p.live, p.liveAt, p.cachedAt = live, began, p.now()
	}
	return live, nil
}

// get removes the most recently used idle Reader of a version, which has the
// fullest cache, and returns it, or nil if there is none.
func (p *ReaderPool) get(version int64) *Reader {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle) - 1
	if n < 0 || p.idle[n].version.ID != version {
		return nil
	}
	r := p.idle[n]
	p.idle = p.idle[:n]
	return r
}

// put returns a Reader to the pool if it is of the live version and the pool is
// not full.
func (p *ReaderPool) put(r *Reader) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.version.ID == p.live.Version.ID && len(p.idle) < maxIdleReaders {
		r.folder.cache.limit = idleReaderBytes
		r.inMemory, r.folder.index = nil, nil // Read sets them again; an idle Reader must not retain the items of an earlier version
		p.idle = append(p.idle, r)
	}
}

// Reset discards the cached live version and the idle Readers, so that the next
// call reads the live version. Call it after a change of the live version.
func (p *ReaderPool) Reset() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live, p.liveAt, p.cachedAt, p.idle = recsys.Live{}, time.Time{}, time.Time{}, nil
	p.resets++
}
