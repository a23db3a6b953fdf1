package recommend

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// The stages of a list.
const (
	Personalized = recsys.StagePersonalized
	Session      = recsys.StageSession
	Popular      = recsys.StagePopular
	Similar      = recsys.StageSimilar
)

// Limits of a request.
const (
	MaxK       = 1000 // the longest list
	MaxRecent  = 50
	MaxExclude = 500
)

// usersPerBatch is the number of users that share a set of round trips.
const usersPerBatch = 100

// Recommender makes lists from the versions of a database. It is safe for
// concurrent use.
type Recommender struct {
	Versions   *versions.Store
	Embeddings *embeddings.Store
	Readers    *ReaderPool // reused by later calls; nil: a new Reader for every call
	Memory     *Memory     // searched instead of Postgres for the version that it holds; may be nil
}

// Request specifies one list.
type Request struct {
	UserID      string
	K           int      // 1 to MaxK
	Category    string   // "" for any
	Tags        []string // an item must have all of them
	Version     int64    // 0: the live one
	ExcludeSeen string   // which seen items to exclude: SeenAll or SeenNone; "" for SeenAll
	Exclude     []string // items to exclude

	// Recent is items that were clicked just now. They are folded into this list as
	// if their clicks had arrived through the stream, and are not stored. Items that
	// the version does not contain are ignored. Without a UserID the list depends on
	// them alone.
	Recent []string
}

// Values of Request.ExcludeSeen.
const (
	SeenAll  = "all"  // exclude all items that the user has interacted with
	SeenNone = "none" // exclude none of them
)

// Check returns an error if the request is invalid.
func (r Request) Check() error {
	if r.K < 1 || r.K > MaxK {
		return fmt.Errorf("k is %d; use 1 to %d", r.K, MaxK)
	}
	if r.Version < 0 {
		return fmt.Errorf("version is %d; use the number of a version, or 0 for the live one", r.Version)
	}
	if len(r.Recent) > MaxRecent {
		return fmt.Errorf("%d recent items; give at most %d", len(r.Recent), MaxRecent)
	}
	if len(r.Exclude) > MaxExclude {
		return fmt.Errorf("%d items to exclude; give at most %d", len(r.Exclude), MaxExclude)
	}
	switch r.ExcludeSeen {
	case "", SeenAll, SeenNone:
	default:
		return fmt.Errorf("exclude_seen is %q; use %s or %s", r.ExcludeSeen, SeenAll, SeenNone)
	}
	return nil
}

// List is a ranked list and its origin.
type List struct {
	RecommendationID string       `json:"recommendation_id,omitempty"` // the same for the same state
	UserID           string       `json:"user_id,omitempty"`
	Item             *recsys.Item `json:"item,omitempty"` // of Similar: the item that the others are similar to
	Version          int64        `json:"version"`
	Stage            string       `json:"stage,omitempty"`
	EventsNotFolded  int          `json:"events_not_folded,omitempty"` // recsys.UserState.NotFolded
	Items            []Ranked     `json:"items"`
}

// Ranked is an item in a list.
type Ranked struct {
	Rank int `json:"rank"` // from 1, best first
	recsys.Item
	Score float64 `json:"score"` // the inner product; in a popular list, the popularity
}

// Recommend returns one user's list. It returns recsys.ErrNoLiveVersion before the
// first promotion, and recsys.ErrNotFound for a version that has no data.
func (r *Recommender) Recommend(ctx context.Context, req Request) (List, error) {
	var out List
	err := r.RecommendMany(ctx, req, one(req.UserID), func(l List) error {
		out = l
		return nil
	})
	return out, err
}

// RecommendMany emits the lists of many users, in their order, with a few round
// trips per hundred users. It ignores req.UserID. All lists are from one version
// unless it is dropped during the call; each list names its version. It stops at
// the first error, including those of emit.
func (r *Recommender) RecommendMany(ctx context.Context, req Request, users iter.Seq[string], emit func(List) error) error {
	if err := req.Check(); err != nil {
		return err
	}
	reader, err := r.resolve(ctx, req.Version)
	if err != nil {
		return err
	}
	defer func() { r.Readers.put(reader) }()
	for ids := range chunks(users, usersPerBatch) {
		lists, err := reader.Lists(ctx, req, ids)
		if errors.Is(err, recsys.ErrVersionGone) && req.Version == 0 {
			// Dropped after it was resolved: retry once with the version that is live
			// now.
			var next *Reader
			if next, err = r.resolveAgain(ctx); err == nil {
				reader = next
				lists, err = reader.Lists(ctx, req, ids)
			}
		}
		if err != nil {
			return err
		}
		for _, l := range lists {
			if err := emit(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// withReader calls use with a Reader of a version, 0 for the live one. If the live
// version is dropped during the call, it retries once with the one that is live
// then.
func (r *Recommender) withReader(ctx context.Context, version int64, use func(*Reader) error) error {
	reader, err := r.resolve(ctx, version)
	if err != nil {
		return err
	}
	err = use(reader)
	if errors.Is(err, recsys.ErrVersionGone) && version == 0 {
		if reader, err = r.resolveAgain(ctx); err != nil {
			return err
		}
		err = use(reader)
	}
	r.Readers.put(reader)
	return err
}

// resolve returns a Reader of a version, 0 for the live one, from the pool if
// possible.
func (r *Recommender) resolve(ctx context.Context, id int64) (*Reader, error) {
	if id == 0 {
		live, err := r.Readers.liveVersion(ctx, r.Versions)
		if err != nil {
			return nil, err
		}
		if pooled := r.Readers.get(live.Version.ID); pooled != nil {
			return pooled, nil
		}
		return r.newReader(live.Version, live.Manifest), nil
	}
	v, err := r.Versions.Version(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", id, err)
	}
	if v.State != recsys.Ready && v.State != recsys.Refused {
		return nil, fmt.Errorf("version %d is %s and has no data to read: %w", id, v.State, recsys.ErrNotFound)
	}
	m, err := r.Manifest(ctx, v)
	if err != nil {
		return nil, err
	}
	return r.newReader(v, m), nil
}

// Manifest returns the manifest of a version, from the pool if it was read before.
// The caller must not change it.
func (r *Recommender) Manifest(ctx context.Context, v recsys.Version) (*recsys.Manifest, error) {
	m, err := r.Readers.manifest(ctx, r.Versions, v)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", v.ID, err)
	}
	return m, nil
}

func (r *Recommender) newReader(v recsys.Version, m *recsys.Manifest) *Reader {
	reader := NewReader(r.Embeddings, v, m)
	reader.Memory = r.Memory
	return reader
}

// resolveAgain resolves the live version after the cached one was dropped.
func (r *Recommender) resolveAgain(ctx context.Context) (*Reader, error) {
	r.Readers.Reset()
	return r.resolve(ctx, 0)
}

func one(id string) iter.Seq[string] {
	return func(yield func(string) bool) { yield(id) }
}

// chunks splits a sequence into slices of at most n. A slice is valid until the
// next one.
func chunks(seq iter.Seq[string], n int) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		part := make([]string, 0, n)
		for id := range seq {
			if part = append(part, id); len(part) == n {
				if !yield(part) {
					return
				}
				part = part[:0]
			}
		}
		if len(part) > 0 {
			yield(part)
		}
	}
}
