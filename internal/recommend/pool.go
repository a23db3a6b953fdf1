package recommend

import (
	"context"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/recflow/recflow/internal/flight"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a ReaderPool: idle Readers, the bytes of cached item vectors in each of
// them, and manifests, which have up to 20 MB of JSON each.
const (
	maxIdleReaders  = 8
	idleReaderBytes = cacheBytes / maxIdleReaders
	maxManifests    = 4
)

// Timeouts of reads for all callers that wait for them.
const (
	pointerTimeout  = 2 * time.Second
	manifestTimeout = 10 * time.Second
)

// ReaderPool caches the live version for a short time and the manifests of the
// versions that were read last, and pools the Readers of the live version with their
// caches for reuse. Concurrent callers share one read of the database. A Reader is
// used by one call at a time. A nil *ReaderPool caches and pools nothing.
type ReaderPool struct {
	liveTTL time.Duration
	now     func() time.Time

	pointerReads  flight.Group[versions.LivePointer]
	manifestReads flight.Group[*recsys.Manifest]
	liveReads     flight.Group[recsys.Live]

	mu        sync.Mutex
	live      recsys.Live
	liveAt    time.Time                            // when live was requested; zero: live is unknown
	resets    int                                  // a result that was requested before a reset is not cached
	idle      []*Reader                            // of the live version, the most recently used last
	manifests *lru.Cache[string, *recsys.Manifest] // by manifestKey
}

// NewReaderPool returns a ReaderPool that follows a promotion within liveTTL.
func NewReaderPool(liveTTL time.Duration) *ReaderPool {
	manifests, err := lru.New[string, *recsys.Manifest](maxManifests)
	if err != nil {
		panic(err) // the size is a constant
	}
	return &ReaderPool{liveTTL: liveTTL, now: time.Now, manifests: manifests}
}

// liveStore reads the live version and manifests. *versions.Store implements it.
type liveStore interface {
	Live(ctx context.Context) (recsys.Live, error)
	LivePointer(ctx context.Context) (versions.LivePointer, error)
	Manifest(ctx context.Context, version int64) (*recsys.Manifest, error)
}

// liveVersion returns the live version. It reads the pointer if the cached version
// is older than liveTTL, and the manifest, which has k×k numbers, only after a
// change.
func (p *ReaderPool) liveVersion(ctx context.Context, store liveStore) (recsys.Live, error) {
	if p == nil {
		return store.Live(ctx)
	}
	p.mu.Lock()
	live, resets := p.live, p.resets
	valid := !p.liveAt.IsZero() && p.now().Sub(p.liveAt) < p.liveTTL
	p.mu.Unlock()
	if valid {
		return live, nil
	}
	// A call does not share a read that began before a reset.
	key := strconv.Itoa(resets)
	if live.Revision > 0 {
		at, err := p.pointerReads.Read(ctx, key, pointerTimeout, func(ctx context.Context) (versions.LivePointer, error) {
			return p.readPointer(ctx, store, resets)
		})
		if err != nil {
			return recsys.Live{}, err
		}
		if at.Version == live.Version.ID && at.Revision == live.Revision {
			return live, nil
		}
	}
	return p.liveReads.Read(ctx, key, manifestTimeout, func(ctx context.Context) (recsys.Live, error) {
		return p.readLive(ctx, store, resets)
	})
}

// readPointer reads the pointer. The cached version is valid again if it is live.
func (p *ReaderPool) readPointer(ctx context.Context, store liveStore, resets int) (versions.LivePointer, error) {
	began := p.now()
	at, err := store.LivePointer(ctx)
	if err != nil {
		return at, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resets == resets && at.Version == p.live.Version.ID && at.Revision == p.live.Revision {
		p.liveAt = began
	}
	return at, nil
}

// readLive reads the live version and caches it.
func (p *ReaderPool) readLive(ctx context.Context, store liveStore, resets int) (recsys.Live, error) {
	began := p.now()
	live, err := store.Live(ctx)
	if err != nil {
		return live, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resets == resets {
		if live.Version.ID != p.live.Version.ID || live.Version.RunID != p.live.Version.RunID {
			p.idle = nil
		}
		p.live, p.liveAt = live, began
	}
	return live, nil
}

// manifest returns the manifest of a version, which does not change.
func (p *ReaderPool) manifest(ctx context.Context, store liveStore, v recsys.Version) (*recsys.Manifest, error) {
	if p == nil {
		return store.Manifest(ctx, v.ID)
	}
	key := manifestKey(v)
	if m, ok := p.manifests.Get(key); ok {
		return m, nil
	}
	return p.manifestReads.Read(ctx, key, manifestTimeout, func(ctx context.Context) (*recsys.Manifest, error) {
		m, err := store.Manifest(ctx, v.ID)
		if err == nil {
			p.manifests.Add(key, m)
		}
		return m, err
	})
}

// manifestKey identifies the manifest of a version, also after the database was
// restored and numbers were used again.
func manifestKey(v recsys.Version) string { return strconv.FormatInt(v.ID, 10) + " " + v.RunID }

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
	p.live, p.liveAt, p.idle = recsys.Live{}, time.Time{}, nil
	p.resets++
}
