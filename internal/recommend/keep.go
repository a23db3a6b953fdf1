package recommend

import (
	"sync"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// Bounds of what is kept: Readers that nobody uses, and the item vectors in all
// of them together.
const (
	keptReaders = 8
	keptBytes   = cacheBytes / keptReaders
)

// Kept is what a Recommender keeps from one call for the next: which version is
// live, for a short time, and Readers of it with what they have read. A Reader
// is lent to one call at a time. The zero of *Kept keeps nothing.
type Kept struct {
	liveFor time.Duration
	now     func() time.Time

	mu     sync.Mutex
	live   recsys.Live
	liveAt time.Time // when live was asked for; zero: it is not known
	idle   []*Reader // of the live version, used last at the end
}

// Keep makes a Kept that follows a promotion within liveFor.
func Keep(liveFor time.Duration) *Kept { return &Kept{liveFor: liveFor, now: time.Now} }

// pointer is the live version, as ask said not longer ago than liveFor.
func (k *Kept) pointer(ask func() (recsys.Live, error)) (recsys.Live, error) {
	if k == nil {
		return ask()
	}
	began := k.now()
	k.mu.Lock()
	live, known := k.live, !k.liveAt.IsZero() && began.Sub(k.liveAt) < k.liveFor
	k.mu.Unlock()
	if known {
		return live, nil
	}
	live, err := ask()
	if err != nil {
		return live, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if live.Revision >= k.live.Revision { // another call may have asked later
		if live.Version.ID != k.live.Version.ID {
			k.idle = nil
		}
		k.live, k.liveAt = live, began
	}
	return live, nil
}

// take is an idle Reader of a version, if there is one: the one used last, which
// knows most.
func (k *Kept) take(version int64) *Reader {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	n := len(k.idle) - 1
	if n < 0 || k.idle[n].version.ID != version {
		return nil
	}
	r := k.idle[n]
	k.idle = k.idle[:n]
	return r
}

// give takes a Reader back, if it is one of the live version and there is room.
func (k *Kept) give(r *Reader) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r.version.ID == k.live.Version.ID && len(k.idle) < keptReaders {
		r.folder.cache.limit = keptBytes
		r.held, r.folder.index = nil, nil // Read takes them again; an idle Reader must not hold the items of an earlier version
		k.idle = append(k.idle, r)
	}
}

// Forget makes the next call ask what is live: a change made here is followed at once.
func (k *Kept) Forget() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.liveAt, k.idle = time.Time{}, nil
}
