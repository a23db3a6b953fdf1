package recommend

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// Explanation explains the score of an item for a user, and whether the user's
// list contains it.
type Explanation struct {
	RecommendationID string      `json:"recommendation_id"` // of the list of the same request
	UserID           string      `json:"user_id"`
	Item             recsys.Item `json:"item"`
	Version          int64       `json:"version"`
	Stage            string      `json:"stage"`
	EventsNotFolded  int         `json:"events_not_folded,omitempty"` // recsys.UserState.NotFolded
	Score            float64     `json:"score"`                       // score in the list, or the one that an excluded item would have
	ExcludedBy       []string    `json:"excluded_by"`                 // reasons that exclude it from a list of any length: see the constants
	Terms            []Term      `json:"terms"`                       // sum to the score; largest first
	Rule             string      `json:"rule,omitempty"`              // replaces the terms if the list is not personalized
	PopularityRank   int64       `json:"popularity_rank,omitempty"`   // rank among all available items, if the list is the popular one
}

// Term is the contribution of an item of the user's history to the score.
type Term struct {
	ItemID string  `json:"item_id"`
	Title  string  `json:"title,omitempty"`
	Weight float32 `json:"weight"` // interest weight
	Score  float64 `json:"score"`
}

// Reasons that exclude an item from a list.
const (
	Unavailable       = "unavailable"
	AlreadySeen       = "seen"     // the user has seen it, or it is one of the recent items
	ExcludedByRequest = "excluded" // it is in Request.Exclude
	OtherCategory     = "category" // it does not match Request.Category
	OtherTags         = "tags"     // it does not match Request.Tags
)

// Explain explains the score of an item for a user. It returns ErrUnknownItem if
// the version does not contain the item.
func (r *Recommender) Explain(ctx context.Context, req Request, itemID string) (e Explanation, err error) {
	if err := req.Check(); err != nil {
		return Explanation{}, err
	}
	err = r.withReader(ctx, req.Version, func(reader *Reader) error {
		e, err = r.explain(ctx, reader, req, itemID)
		return err
	})
	return e, err
}

func (r *Recommender) explain(ctx context.Context, reader *Reader, req Request, itemID string) (Explanation, error) {
	st, err := reader.state(ctx, req)
	if err != nil {
		return Explanation{}, err
	}
	item, vector, err := r.item(ctx, reader, itemID)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{
		RecommendationID: recsys.RecommendationID(st.UserID, reader.version.ID, reader.ConfigHash(req), st.Events),
		UserID:           st.UserID, Item: item, Version: reader.version.ID, Stage: st.Stage(),
		EventsNotFolded: st.NotFolded, ExcludedBy: st.excludedBy(req, item), Terms: []Term{},
	}
	if st.Vector == nil {
		e.Score, e.PopularityRank, err = r.Embeddings.Popularity(ctx, reader.version, itemID)
		e.Rule = fmt.Sprintf("the user has no events with weight, so items are ranked by popularity: this one has popularity %g and rank %d among the available items", e.Score, e.PopularityRank)
		return e, err
	}
	e.Score = recsys.Score(st.Vector, vector)
	e.Terms, err = r.terms(ctx, reader, st.History, vector)
	return e, err
}

// state returns the state of the request's user.
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

// terms splits a score into the contributions of the items of a history, largest
// first, with their titles.
func (r *Recommender) terms(ctx context.Context, reader *Reader, h recsys.History, target []float32) ([]Term, error) {
	terms, err := reader.folder.terms(ctx, h, target)
	if err != nil {
		return nil, err
	}
	if err := r.addTitles(ctx, reader, terms); err != nil {
		return nil, err
	}
	slices.SortStableFunc(terms, func(a, b Term) int { return cmp.Compare(math.Abs(b.Score), math.Abs(a.Score)) })
	return terms, nil
}

// addTitles adds the titles of the items, from memory if they are there.
func (r *Recommender) addTitles(ctx context.Context, reader *Reader, terms []Term) error {
	if reader.inMemory != nil {
		view, err := reader.inMemory.view(ctx, reader.data, reader.overrides)
		if err != nil {
			return err
		}
		for i := range terms {
			item, _, _ := view.Item(terms[i].ItemID)
			terms[i].Title = item.Title
		}
		return nil
	}
	ids := make([]string, len(terms))
	for i, t := range terms {
		ids[i] = t.ItemID
	}
	titles, err := r.Embeddings.Titles(ctx, reader.version, ids)
	if err != nil {
		return err
	}
	for i := range terms {
		terms[i].Title = titles[terms[i].ItemID]
	}
	return nil
}

// terms returns the contributions of the items of a history to the score of the
// target vector. It reads the item vectors.
func (f *Folder) terms(ctx context.Context, h recsys.History, target []float32) ([]Term, error) {
	f.cache.startRound()
	var missing missingItems
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

// excludedBy returns the reasons that exclude an item from a list of the state.
func (st State) excludedBy(req Request, item recsys.Item) []string {
	reasons := []string{}
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
			reasons = append(reasons, rule.name)
		}
	}
	return reasons
}
