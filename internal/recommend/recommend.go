package recommend

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// The stages of a list, from what is known best to what is not known at all.
const (
	Personalised = "personalised" // a trained user, with or without new events
	Session      = "session"      // no trained vector; folded in from live events alone
	Popular      = "popular"      // nothing that counts is known of the user
)

// MaxK is the longest list that can be asked for.
const MaxK = 1000

// chunk is how many users RecommendMany handles in one set of round trips.
const chunk = 100

// Recommender makes lists from a store. It is safe for concurrent use.
type Recommender struct {
	Store *vectorstore.Store
}

// Request asks for one list.
type Request struct {
	UserID      string
	K           int      // 1 to MaxK
	Category    string   // "" for any
	Tags        []string // an item must have all of them
	Version     int64    // 0: the live one
	IncludeSeen bool     // also list items that the user has met
}

// Check returns the first mistake in the request.
func (r Request) Check() error {
	if r.K < 1 || r.K > MaxK {
		return fmt.Errorf("k is %d; use 1 to %d", r.K, MaxK)
	}
	if r.Version < 0 {
		return fmt.Errorf("version is %d; use the number of a version, or 0 for the live one", r.Version)
	}
	return nil
}

// List is a ranked list and where it comes from.
type List struct {
	RecommendationID string       `json:"recommendation_id,omitempty"` // of a user's list: the same for the same state
	UserID           string       `json:"user_id,omitempty"`
	Item             *recsys.Item `json:"item,omitempty"` // of Similar: what the items resemble
	Version          int64        `json:"version"`
	Stage            string       `json:"stage,omitempty"`
	Items            []Ranked     `json:"items"`
}

// Ranked is an item in a list.
type Ranked struct {
	Rank int `json:"rank"` // from 1, best first
	recsys.Item
	Score float64 `json:"score"` // the inner product; in a popular list, the popularity
}

// Recommend makes one user's list. It returns recsys.ErrNoLiveVersion before
// the first promotion, and recsys.ErrNotFound for a version that has no data.
func (r *Recommender) Recommend(ctx context.Context, req Request) (List, error) {
	var out List
	err := r.RecommendMany(ctx, req, one(req.UserID), func(l List) error {
		out = l
		return nil
	})
	return out, err
}

// RecommendMany makes the lists of many users, in their order, with a few round
// trips for every hundred. req.UserID plays no part. All lists come from one
// version unless that is dropped meanwhile; each says which. It ends at the
// first error, also of emit.
func (r *Recommender) RecommendMany(ctx context.Context, req Request, users iter.Seq[string], emit func(List) error) error {
	if err := req.Check(); err != nil {
		return err
	}
	reader, err := r.resolve(ctx, req.Version)
	if err != nil {
		return err
	}
	for ids := range chunks(users, chunk) {
		lists, err := reader.Lists(ctx, req, ids)
		if errors.Is(err, recsys.ErrVersionGone) && req.Version == 0 {
			// Dropped since it was resolved: once more, with what is live now.
			if reader, err = r.resolve(ctx, 0); err == nil {
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

// resolve finds the version to read: the live one for 0.
func (r *Recommender) resolve(ctx context.Context, id int64) (*Reader, error) {
	if id == 0 {
		live, err := r.Store.Live(ctx)
		if err != nil {
			return nil, err
		}
		return NewReader(r.Store, live.Version, live.Manifest), nil
	}
	v, err := r.Store.Version(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", id, err)
	}
	if v.State != recsys.Ready && v.State != recsys.Refused {
		return nil, fmt.Errorf("version %d is %s and has no data to read: %w", id, v.State, recsys.ErrNotFound)
	}
	m, err := r.Store.Manifest(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", id, err)
	}
	return NewReader(r.Store, v, m), nil
}

func one(id string) iter.Seq[string] {
	return func(yield func(string) bool) { yield(id) }
}

// chunks cuts a sequence into slices of at most n, which are valid until the next one.
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
