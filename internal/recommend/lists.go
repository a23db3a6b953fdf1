package recommend

import (
	"context"
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// state is what a version and the live events say about a user together.
type state struct {
	history recsys.History
	vector  []float32
	trained bool
}

// Lists makes the lists of some users from their state under the version, with
// a handful of round trips for all of them.
func (r *Reader) Lists(ctx context.Context, req Request, ids []string) ([]List, error) {
	states, err := r.states(ctx, ids)
	if err != nil {
		return nil, err
	}
	lists, err := r.search(ctx, req, states)
	for i := range lists {
		lists[i].UserID = ids[i]
	}
	return lists, err
}

// FromHistories makes lists from histories alone, as if each were all that is
// known of its user. The gates score a version through it.
func (r *Reader) FromHistories(ctx context.Context, req Request, histories []recsys.History) ([]List, error) {
	vectors, err := r.folder.Vectors(ctx, histories)
	if err != nil {
		return nil, err
	}
	states := make([]state, len(histories))
	for i, h := range histories {
		states[i] = state{history: h, vector: vectors[i]}
	}
	return r.search(ctx, req, states)
}

// search finds the items for each state: the nearest ones, or the popular ones
// where nothing that counts is known.
func (r *Reader) search(ctx context.Context, req Request, states []state) ([]List, error) {
	lists := make([]List, len(states))
	var queries []vectorstore.Query
	var asked []int
	for i, st := range states {
		lists[i] = List{Version: r.version.ID, Stage: st.stage()}
		if lists[i].Stage != Popular {
			queries = append(queries, vectorstore.Query{
				Vector: st.vector, K: req.K, Category: req.Category, Tags: req.Tags, Exclude: st.exclude(req),
			})
			asked = append(asked, i)
			continue
		}
		hits, err := r.Popular(ctx, req, st.exclude(req))
		if err != nil {
			return nil, err
		}
		lists[i].Items = hits
	}
	if len(queries) == 0 {
		return lists, nil
	}
	found, err := r.store.NearestMany(ctx, r.version, queries)
	if err != nil {
		return nil, fmt.Errorf("find the nearest items: %w", err)
	}
	for n, i := range asked {
		lists[i].Items = rank(found[n])
	}
	return lists, nil
}

// states reads what is known of each user and folds in the live events that
// the version has not counted. A user without such events keeps the stored
// vector as it is.
func (r *Reader) states(ctx context.Context, ids []string) ([]state, error) {
	users, err := r.store.Users(ctx, r.version, ids)
	if err != nil {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	events, err := r.store.LiveEvents(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read the live events: %w", err)
	}
	stored := make(map[string]vectorstore.User, len(users))
	for _, u := range users {
		stored[u.ID] = u
	}

	states := make([]state, len(ids))
	var fold []int
	var histories []recsys.History
	for i, id := range ids {
		u := stored[id]
		states[i] = state{history: u.History, vector: u.Vector, trained: u.Vector != nil}
		fresh := r.uncovered(events[id])
		if len(fresh) == 0 {
			continue
		}
		states[i].history = r.manifest.Interest.Extend(u.History, fresh)
		if slices.ContainsFunc(fresh, r.counts) {
			fold = append(fold, i)
			histories = append(histories, states[i].history)
		}
	}
	vectors, err := r.folder.Vectors(ctx, histories)
	if err != nil {
		return nil, err
	}
	for n, i := range fold {
		states[i].vector = vectors[n]
	}
	return states, nil
}

// uncovered is the part of a user's live events that the version has not counted.
func (r *Reader) uncovered(events []recsys.Event) []recsys.Event {
	return slices.DeleteFunc(events, r.version.Coverage.Covers)
}

// counts reports whether an event weighs anything under the version's interest.
func (r *Reader) counts(e recsys.Event) bool {
	return r.manifest.Interest.Weight(e.EventType, e.Value) > 0
}

func (st state) stage() string {
	switch {
	case st.vector == nil:
		return Popular
	case st.trained:
		return Personalised
	default:
		return Session
	}
}

// exclude lists the items that must not come back.
func (st state) exclude(req Request) []string {
	if req.IncludeSeen {
		return nil
	}
	return slices.Concat(st.history.Items, st.history.Met)
}

// Popular is the popular list of the version without some items. One list, as
// long as the longest one needed, serves every user of the Reader.
func (r *Reader) Popular(ctx context.Context, req Request, exclude []string) ([]Ranked, error) {
	if need := req.K + len(exclude); need > len(r.popular) && !r.ended {
		hits, err := r.store.Popular(ctx, r.version, vectorstore.Query{K: need, Category: req.Category, Tags: req.Tags})
		if err != nil {
			return nil, fmt.Errorf("find popular items: %w", err)
		}
		r.popular, r.ended = hits, len(hits) < need
	}
	return rank(without(r.popular, exclude, req.K)), nil
}

// without is the first k hits that are not excluded.
func without(hits []vectorstore.Hit, exclude []string, k int) []vectorstore.Hit {
	met := make(map[string]bool, len(exclude))
	for _, id := range exclude {
		met[id] = true
	}
	out := make([]vectorstore.Hit, 0, min(k, len(hits)))
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

func rank(hits []vectorstore.Hit) []Ranked {
	out := make([]Ranked, len(hits))
	for i, h := range hits {
		out[i] = Ranked{Rank: i + 1, Item: h.Item, Score: h.Score}
	}
	return out
}
