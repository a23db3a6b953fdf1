package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recommend"
)

// liveFor is how long requests may read the previous version after a promotion. It
// is shorter than the time that pruning leaves to readers, which switch to the
// live version if theirs is removed.
const liveFor = time.Second

func (s *server) recommendationRoutes() {
	tags := []string{"Recommendations"}
	const state = "The same state results in the same list and the same recommendation_id. With filters, the list contains all eligible items, " +
		"up to k. A change of the live version takes effect within a second, an override of an item immediately."
	rest.Register(s.api, huma.Operation{OperationID: "recommend", Method: http.MethodGet, Path: "/recommendations/{user}", Tags: tags,
		Summary:     "Recommend items to a user",
		Description: "The list names its stage: personalized (a trained user), session (a new user, from events and recent items) or popular (no events with weight and no recent items). " + state},
		rest.Access{Scope: apiclient.ScopeRecommend, Timeout: listTimeout}, s.recommend)
	rest.Register(s.api, huma.Operation{OperationID: "recommend-session", Method: http.MethodGet, Path: "/recommendations", Tags: tags,
		Summary:     "Recommend items to an anonymous user, based on recent clicks",
		Description: "The stage is session, or popular if none of the recent items is in the version. " + state},
		rest.Access{Scope: apiclient.ScopeRecommend, Timeout: listTimeout}, s.recommendSession)
	rest.Register(s.api, huma.Operation{OperationID: "explain", Method: http.MethodGet, Path: "/recommendations/{user}/explain", Tags: tags,
		Summary: "Explain the score of an item for a user",
		Description: "The score is a sum with one term for each item of the user's history. A popular list has a rule instead. excluded_by lists why the item is " +
			"excluded from the list of the same request, whatever its length."},
		rest.Access{Scope: apiclient.ScopeRecommend, Timeout: listTimeout, Slots: s.heavy}, s.explain)
}

// ListQuery contains the parameters of every list. It is exported for reflection.
type ListQuery struct {
	K        int      `query:"k" minimum:"1" maximum:"1000" default:"10" doc:"Length of the list."`
	Category string   `query:"category" maxLength:"1024" doc:"Only items of this category."`
	Tags     []string `query:"tag,explode" maxItems:"20" doc:"Only items with all of these tags."`
	Exclude  []string `query:"exclude,explode" maxItems:"500" doc:"Items to exclude."`
	Version  int64    `query:"version" minimum:"0" doc:"Version to read instead of the live one."`
}

func (q ListQuery) request() (recommend.Request, error) {
	r := recommend.Request{K: q.K, Category: q.Category, Tags: q.Tags, Exclude: q.Exclude, Version: q.Version}
	return r, checkIDs("exclude", q.Exclude)
}

// UserQuery contains the additional parameters of a user's list.
type UserQuery struct {
	User        string   `path:"user" maxLength:"256" example:"u-17"`
	Recent      []string `query:"recent,explode" maxItems:"50" doc:"Items that the user clicked just now. They affect this response and are not stored. Unknown items are ignored."`
	ExcludeSeen string   `query:"exclude_seen" enum:"all,none" default:"all" doc:"Which of the items that the user has interacted with to exclude."`
}

func (q UserQuery) add(r *recommend.Request) error {
	r.UserID, r.Recent, r.ExcludeSeen = q.User, q.Recent, q.ExcludeSeen
	if err := checkID("user", q.User); err != nil {
		return err
	}
	return checkIDs("recent", q.Recent)
}

type recommendInput struct {
	ListQuery
	UserQuery
}
type listOutput struct{ Body apiclient.List }

// listOf maps a list to its public form.
func listOf(l recommend.List) apiclient.List {
	return apiclient.List{
		RecommendationID: l.RecommendationID, UserID: l.UserID, Item: l.Item, Version: l.Version, Stage: l.Stage, EventsNotFolded: l.EventsNotFolded,
		Items: rest.MapEach(l.Items, func(r recommend.Ranked) apiclient.Ranked {
			return apiclient.Ranked{Rank: r.Rank, Item: r.Item, Score: r.Score}
		}),
	}
}

func (s *server) recommend(ctx context.Context, in *recommendInput) (*listOutput, error) {
	r, err := in.request()
	if err == nil {
		err = in.add(&r)
	}
	if err != nil {
		return nil, err
	}
	return s.list(ctx, r)
}

type recommendSessionInput struct {
	ListQuery
	Recent []string `query:"recent,explode" maxItems:"50" doc:"Items that the user clicked just now. Unknown items are ignored."`
}

func (s *server) recommendSession(ctx context.Context, in *recommendSessionInput) (*listOutput, error) {
	r, err := in.request()
	if err == nil {
		err = checkIDs("recent", in.Recent)
	}
	if err != nil {
		return nil, err
	}
	r.Recent = in.Recent
	return s.list(ctx, r)
}

func (s *server) list(ctx context.Context, r recommend.Request) (*listOutput, error) {
	list, err := s.reader.Recommend(ctx, r)
	return &listOutput{listOf(list)}, err
}

type explainInput struct {
	ListQuery
	UserQuery
	Item string `query:"item" required:"true" minLength:"1" maxLength:"256" example:"sku-42"`
}
type explainOutput struct{ Body apiclient.Explanation }

// explanationOf maps an explanation to its public form.
func explanationOf(e recommend.Explanation) apiclient.Explanation {
	return apiclient.Explanation{
		RecommendationID: e.RecommendationID, UserID: e.UserID, Item: e.Item, Version: e.Version, Stage: e.Stage,
		EventsNotFolded: e.EventsNotFolded, Score: e.Score, ExcludedBy: orEmpty(e.ExcludedBy), Rule: e.Rule, PopularityRank: e.PopularityRank,
		Terms: rest.MapEach(e.Terms, func(t recommend.Term) apiclient.Term {
			return apiclient.Term{ItemID: t.ItemID, Title: t.Title, Weight: t.Weight, Score: t.Score}
		}),
	}
}

func (s *server) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	r, err := in.request()
	if err == nil {
		err = errors.Join(in.add(&r), checkID("item", in.Item))
	}
	if err != nil {
		return nil, err
	}
	e, err := s.reader.Explain(ctx, r, in.Item)
	return &explainOutput{explanationOf(e)}, unknownItem(err)
}

// unknownItem returns the problem for an item that a version does not contain, and
// other errors unchanged.
func unknownItem(err error) error {
	if errors.Is(err, recommend.ErrUnknownItem) {
		return rest.Fail(http.StatusNotFound, "unknown_item", "the version does not contain the item", "check the id; a new item is available after the next training on its events")
	}
	return err
}

func checkIDs(name string, ids []string) error {
	for _, id := range ids {
		if err := checkID(name, id); err != nil {
			return err
		}
	}
	return nil
}
