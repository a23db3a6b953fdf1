package recommend

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// Explanation says why an item has the place that it has in a user's list.
type Explanation struct {
	RecommendationID string      `json:"recommendation_id"` // of the list that the same request gives
	UserID           string      `json:"user_id"`
	Item             recsys.Item `json:"item"`
	Version          int64       `json:"version"`
	Stage            string      `json:"stage"`
	Score            float64     `json:"score"`                     // that the item has in the list, or would have
	ExcludedBy       []string    `json:"excluded_by"`               // why it is not in the list, however long: see the constants
	Terms            []Term      `json:"terms"`                     // sum to the score; largest first
	Rule             string      `json:"rule,omitempty"`            // in place of terms, where the list is not the user's own
	PopularityRank   int64       `json:"popularity_rank,omitempty"` // among all available items, by that rule
}

// Term is what an item of the user's history adds to the score.
type Term struct {
	ItemID string  `json:"item_id"`
	Title  string  `json:"title,omitempty"`
	Weight float32 `json:"weight"` // of the user's interest in it
	Score  float64 `json:"score"`
}

// Why an item is not in a list.
const (
	Unavailable       = "unavailable"
	AlreadySeen       = "seen"     // the user has seen it, or it is one of the recent items
	ExcludedByRequest = "excluded" // the request leaves it out
	OtherCategory     = "category" // the filters of the request leave it out
	OtherTags         = "tags"
)

// Explain says where the score of an item for a user comes from. It returns
// ErrUnknownItem when the version does not know the item.
func (r *Recommender) Explain(ctx context.Context, req Request, itemID string) (e Explanation, err error) {
	if err := req.Check(); err != nil {
		return Explanation{}, err
	}
	err = r.with(ctx, req.Version, func(reader *Reader) error {
		e, err = r.explain(ctx, reader, req, itemID)
		return err
	})
	return e, err
}

func (r *Recommender) explain(ctx context.Context, reader *Reader, req Request, itemID string) (Explanation, error) {
	item, vector, err := r.item(ctx, reader.version, itemID)
	if err != nil {
		return Explanation{}, err
	}
	st, err := reader.state(ctx, req)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{
		RecommendationID: recsys.RecommendationID(st.UserID, reader.version.ID, reader.ConfigHash(req), st.Events),
		UserID:           st.UserID, Item: item, Version: reader.version.ID, Stage: st.Stage(),
		ExcludedBy: st.excludedBy(req, item), Terms: []Term{},
	}
	if st.Vector == nil {
		e.Score, e.PopularityRank, err = r.Embeddings.Popularity(ctx, reader.version, itemID)
		e.Rule = fmt.Sprintf("nothing that counts is known of the user: items are listed by popularity, which is %g here, rank %d among the available items", e.Score, e.PopularityRank)
		return e, err
	}
	e.Score = recsys.Score(st.Vector, vector)
	e.Terms, err = r.terms(ctx, reader, st.History, vector)
	return e, err
}

// state is the state of the request's user.
func (r *Reader) state(ctx context.Context, req Request) (State, error) {
	users, err := r.Read(ctx, []string{req.UserID})
	if err != nil {
		return State{}, err
	}
	r.addRecent(users, req.Recent)
	if _, err := r.Load(ctx, users); err != nil {
		return State{}, err
	}
	return r.Fold(users[0])
}

// terms splits a score into what the items of a history add to it.
func (r *Recommender) terms(ctx context.Context, reader *Reader, h recsys.History, target []float32) ([]Term, error) {
	terms, err := reader.folder.terms(ctx, h, target)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(terms))
	for i, t := range terms {
		ids[i] = t.ItemID
	}
	titles, err := r.Embeddings.Titles(ctx, reader.version, ids)
	if err != nil {
		return nil, err
	}
	for i := range terms {
		terms[i].Title = titles[terms[i].ItemID]
	}
	slices.SortStableFunc(terms, func(a, b Term) int { return cmp.Compare(math.Abs(b.Score), math.Abs(a.Score)) })
	return terms, nil
}

// terms is solve for one who wants to know what the score of a vector comes from.
func (f *Folder) terms(ctx context.Context, h recsys.History, target []float32) ([]Term, error) {
	f.cache.begin()
	var missing missing
	f.collect(&missing, slices.Values(h.Items))
	if err := f.read(ctx, missing.ids); err != nil {
		return nil, err
	}
	terms := make([]Term, 0, len(h.Items))
	var items [][]float32
	var weights []float32
	for i, item := range h.Items {
		if v := f.vector(item); v != nil && h.Weights[i] > 0 {
			items, weights = append(items, v), append(weights, h.Weights[i])
			terms = append(terms, Term{ItemID: item, Weight: h.Weights[i]})
		}
	}
	scores, err := f.foldIn.Terms(items, weights, target)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSolution, err)
	}
	for i := range terms {
		terms[i].Score = scores[i]
	}
	return terms, nil
}

// excludedBy says why an item is not in a list of the state.
func (st State) excludedBy(req Request, item recsys.Item) []string {
	why := []string{}
	for _, rule := range []struct {
		name    string
		applies bool
	}{
		{Unavailable, !item.Available},
		{AlreadySeen, req.ExcludeSeen != SeenNone && st.Seen(item.ItemID)},
		{ExcludedByRequest, slices.Contains(req.Exclude, item.ItemID)},
		{OtherCategory, req.Category != "" && req.Category != item.Category},
		{OtherTags, slices.ContainsFunc(req.Tags, func(tag string) bool { return !slices.Contains(item.Tags, tag) })},
	} {
		if rule.applies {
			why = append(why, rule.name)
		}
	}
	return why
}
