package recommend

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/recsys"
)

// Ask is a list to be made: of K items, from a state.
type Ask struct {
	State State
	K     int
}

// Lists makes the lists of some users from their state under the version, with
// a handful of round trips for all of them.
func (r *Reader) Lists(ctx context.Context, req Request, ids []string) ([]List, error) {
	users, err := r.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	r.addRecent(users, req.Recent)
	asks := make([]Ask, 0, len(users))
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
			asks = append(asks, Ask{State: st, K: req.K})
		}
		users = users[n:]
	}
	return r.all(ctx, req, asks)
}

// FromHistories makes lists from histories alone, as if each were all that is
// known of its user. The gates score a version through it.
func (r *Reader) FromHistories(ctx context.Context, req Request, histories []recsys.History) ([]List, error) {
	vectors, err := r.folder.Vectors(ctx, histories)
	if err != nil {
		return nil, err
	}
	asks := make([]Ask, len(histories))
	for i, h := range histories {
		asks[i] = Ask{State: State{History: h, Vector: vectors[i]}, K: req.K}
	}
	return r.all(ctx, req, asks)
}

// foldAll folds on all cores.
func (r *Reader) foldAll(users []recsys.UserState) ([]State, error) {
	states := make([]State, len(users))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, u := range users {
		group.Go(func() (err error) {
			states[i], err = r.Fold(u)
			return err
		})
	}
	return states, group.Wait()
}

// all is Search for those who need every list.
func (r *Reader) all(ctx context.Context, req Request, asks []Ask) ([]List, error) {
	lists := make([]List, len(asks))
	if err := r.Search(ctx, req, asks, func(i int, l List) { lists[i] = l }); err != nil {
		return nil, err
	}
	return lists, nil
}

// Search finds the items for each state under the filters of req: the nearest
// ones, or the popular ones where nothing that counts is known. It emits each
// list once, in no particular order, and those emitted before an error stand:
// the queries are sent and answered in the order of asks, so a deadline cuts off
// the last of them. It takes at most three round trips.
func (r *Reader) Search(ctx context.Context, req Request, asks []Ask, emit func(i int, l List)) error {
	hashes := map[int]string{}
	list := func(a Ask, hits []recsys.Hit) List {
		l := List{UserID: a.State.UserID, Version: r.version.ID, Stage: a.State.Stage(), Items: rank(hits)}
		if a.State.folded {
			if _, known := hashes[a.K]; !known {
				shape := req
				shape.K = a.K
				hashes[a.K] = r.ConfigHash(shape)
			}
			l.RecommendationID = recsys.RecommendationID(l.UserID, l.Version, hashes[a.K], a.State.Events)
		}
		return l
	}
	if err := r.readPopular(ctx, req, asks); err != nil {
		return err
	}
	var queries []recsys.Query
	var asked []int
	for i, a := range asks {
		without := a.State.exclude(req)
		if a.State.Vector == nil {
			emit(i, list(a, first(r.popular.hits, without, a.K)))
			continue
		}
		queries = append(queries, recsys.Query{
			Vector: a.State.Vector, K: a.K, Category: req.Category, Tags: req.Tags, Exclude: without,
		})
		asked = append(asked, i)
	}
	if len(queries) == 0 {
		return nil
	}
	err := r.nearest(ctx, queries, func(n int, hits []recsys.Hit) {
		i := asked[n]
		emit(i, list(asks[i], hits))
	})
	if err != nil {
		return fmt.Errorf("find the nearest items: %w", err)
	}
	return nil
}

// readPopular makes sure that the popular list holds still, and is long enough
// for all who need it: one list serves every user of the Reader.
func (r *Reader) readPopular(ctx context.Context, req Request, asks []Ask) error {
	need := 0
	for _, a := range asks {
		if a.State.Vector == nil {
			need = max(need, a.K+len(a.State.exclude(req)))
		}
	}
	filters := fmt.Sprintf("%q %q", req.Category, req.Tags)
	holds := r.popular.filters == filters && r.popular.items == r.items
	if need == 0 || holds && (need <= len(r.popular.hits) || r.popular.ended) {
		return nil
	}
	hits, err := r.data.Popular(ctx, r.version, recsys.Query{K: need, Category: req.Category, Tags: req.Tags})
	if err != nil {
		return fmt.Errorf("find popular items: %w", err)
	}
	r.popular = popularList{hits: hits, ended: len(hits) < need, filters: filters, items: r.items}
	return nil
}

// first is the first k hits that are not excluded.
func first(hits []recsys.Hit, exclude []string, k int) []recsys.Hit {
	met := make(map[string]bool, len(exclude))
	for _, id := range exclude {
		met[id] = true
	}
	out := make([]recsys.Hit, 0, min(k, len(hits)))
	for _, h := range hits {
		if len(out) == k {
			break
		}
		if !met[h.ItemID] {
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
