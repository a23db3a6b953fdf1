package recommend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/recsys"
)

// ListSpec specifies one list of Reader.Search: K items for a state.
type ListSpec struct {
	State State
	K     int
}

// Lists returns the lists of users from their states under the version, with a few
// round trips for all of them.
func (r *Reader) Lists(ctx context.Context, req Request, ids []string) ([]List, error) {
	users, err := r.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	r.addRecent(users, req.Recent)
	specs := make([]ListSpec, 0, len(users))
	for len(users) > 0 {
		n, err := r.Load(ctx, users)
		if err != nil {
			return nil, err
		}
		states, err := r.foldAll(users[:n])
		if err != nil {
			return nil, err
		}
		for _, st := range states {
			specs = append(specs, ListSpec{State: st, K: req.K})
		}
		users = users[n:]
	}
	return r.searchAll(ctx, req, specs)
}

// FromHistories returns lists from histories only: each stands for a user without
// other data. The gates score a version with it.
func (r *Reader) FromHistories(ctx context.Context, req Request, histories []recsys.History) ([]List, error) {
	if err := r.readItems(ctx); err != nil {
		return nil, err
	}
	vectors, err := r.folder.Vectors(ctx, histories)
	if err != nil {
		return nil, err
	}
	specs := make([]ListSpec, len(histories))
	for i, h := range histories {
		specs[i] = ListSpec{State: State{History: h, Vector: vectors[i]}, K: req.K}
	}
	return r.searchAll(ctx, req, specs)
}

// foldAll folds users on all cores.
func (r *Reader) foldAll(users []recsys.UserState) ([]State, error) {
	states := make([]State, len(users))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, u := range users {
		group.Go(func() error {
			return forOneList(func() (err error) {
				states[i], err = r.Fold(u)
				return err
			})
		})
	}
	return states, group.Wait()
}

// searchAll is Search for a caller that needs every list.
func (r *Reader) searchAll(ctx context.Context, req Request, specs []ListSpec) ([]List, error) {
	lists := make([]List, len(specs))
	var failed error // of the first list that failed
	err := r.Search(ctx, req, specs, func(i int, l List, err error) {
		lists[i] = l
		failed = cmp.Or(failed, err)
	})
	if err = cmp.Or(err, failed); err != nil {
		return nil, err
	}
	return lists, nil
}

// Search finds the items of each list under the filters of req: the nearest ones,
// or the popular ones for a state without a vector. It emits each list once, or
// ErrListFailed, in no particular order. Lists emitted before it returns an error are
// valid. The queries run in the order of specs, so a deadline cuts off the last ones.
// It takes at most three round trips.
func (r *Reader) Search(ctx context.Context, req Request, specs []ListSpec, emit func(i int, l List, err error)) error {
	hashes := map[int]string{} // configuration hash by K
	list := func(spec ListSpec, hits []recsys.Hit) List {
		l := List{UserID: spec.State.UserID, Version: r.version.ID, Stage: spec.State.Stage(), EventsNotFolded: spec.State.NotFolded, Items: rank(hits)}
		if spec.State.folded {
			if _, known := hashes[spec.K]; !known {
				config := req
				config.K = spec.K
				hashes[spec.K] = r.ConfigHash(config)
			}
			l.RecommendationID = recsys.RecommendationID(l.UserID, l.Version, hashes[spec.K], spec.State.Events)
		}
		return l
	}
	if err := r.readPopular(ctx, req, specs); err != nil {
		return err
	}
	var queries []recsys.Query
	var positions []int // of the queries in specs
	for i, spec := range specs {
		excluded := spec.State.exclude(req)
		if spec.State.Vector == nil {
			emit(i, list(spec, first(r.popular.hits, excluded, spec.K)), nil)
			continue
		}
		if err := r.checkVector(spec.State.Vector); err != nil {
			emit(i, List{}, err)
			continue
		}
		queries = append(queries, recsys.Query{
			Vector: spec.State.Vector, K: spec.K, Category: req.Category, Tags: req.Tags, Exclude: excluded,
		})
		positions = append(positions, i)
	}
	if len(queries) == 0 {
		return nil
	}
	err := r.nearest(ctx, queries, func(n int, hits []recsys.Hit, err error) {
		i := positions[n]
		if err != nil {
			emit(i, List{}, err)
			return
		}
		emit(i, list(specs[i], hits), nil)
	})
	if err != nil {
		return fmt.Errorf("find the nearest items: %w", err)
	}
	return nil
}

// ErrListFailed means that a list cannot be computed from the data of its user, or
// that computing it panicked. Other lists are not affected.
var ErrListFailed = errors.New("the list cannot be computed")

// forOneList calls fn, which computes something for one list only, and returns its
// panic as ErrListFailed: in a goroutine, a panic would end the process.
func forOneList(fn func() error) error {
	err := panics.Catch(fn)
	var p *panics.Error
	if errors.As(err, &p) {
		return fmt.Errorf("%w: %w", ErrListFailed, err)
	}
	return err
}

// checkVector returns ErrListFailed for a vector that cannot be searched with. Postgres
// would refuse all queries that are sent together with it.
func (r *Reader) checkVector(v []float32) error {
	if len(v) != r.version.Dimension {
		return fmt.Errorf("%w: the user's vector has %d values, version %d has %d dimensions", ErrListFailed, len(v), r.version.ID, r.version.Dimension)
	}
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("%w: the user's vector has a value that is not finite", ErrListFailed)
		}
	}
	return nil
}

// readPopular reads the popular list, which all users of the Reader share, unless
// the cached one is valid and long enough for every spec.
func (r *Reader) readPopular(ctx context.Context, req Request, specs []ListSpec) error {
	need := 0
	for _, spec := range specs {
		if spec.State.Vector == nil {
			need = max(need, spec.K+len(spec.State.exclude(req)))
		}
	}
	filters := fmt.Sprintf("%q %q", req.Category, req.Tags)
	valid := r.popular.filters == filters && r.popular.overrides == r.overrides
	if need == 0 || valid && (need <= len(r.popular.hits) || r.popular.complete) {
		return nil
	}
	hits, err := r.data.Popular(ctx, r.version, recsys.Query{K: need, Category: req.Category, Tags: req.Tags})
	if err != nil {
		return fmt.Errorf("find popular items: %w", err)
	}
	r.popular = popularList{hits: hits, complete: len(hits) < need, filters: filters, overrides: r.overrides}
	return nil
}

// first returns the first k hits that are not excluded.
func first(hits []recsys.Hit, exclude []string, k int) []recsys.Hit {
	excluded := make(map[string]bool, len(exclude))
	for _, id := range exclude {
		excluded[id] = true
	}
	out := make([]recsys.Hit, 0, min(k, len(hits)))
	for _, h := range hits {
		if len(out) == k {
			break
		}
		if !excluded[h.ItemID] {
			out = append(out, h)
		}
	}
	return out
}

func rank(hits []recsys.Hit) []Ranked {
	out := make([]Ranked, len(hits))
	for i, h := range hits {
		out[i] = Ranked{Rank: i + 1, Item: h.Item, Score: h.Score}
	}
	return out
}
