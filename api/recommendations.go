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

// liveFor is how long requests go on with a version after a promotion. It is less
// than any pruning leaves to readers, and they follow a version that is gone.
const liveFor = time.Second

func (s *server) recommendationRoutes() {
	tags := []string{"Recommendations"}
	const state = "The same state gives the same list and the same recommendation_id. With filters there are as many items as there are eligible ones, " +
		"up to k. A change of the live version takes effect within a second, an override of an item immediately."
	rest.Register(s.api, huma.Operation{OperationID: "recommend", Method: http.MethodGet, Path: "/recommendations/{user}", Tags: tags,
		Summary:     "Recommend items to a user",
		Description: "The list names its stage: personalized (a trained user), session (a new one, from events and recent items alone) or popular (nothing that counts is known). " + state},
		rest.Access{Scope: apiclient.ScopeRecommend}, s.recommend)
	rest.Register(s.api, huma.Operation{OperationID: "recommend-session", Method: http.MethodGet, Path: "/recommendations", Tags: tags,
		Summary:     "Recommend items to an anonymous user, after what was clicked just now",
		Description: "Stage session, or popular without recent items that the version knows. " + state},
		rest.Access{Scope: apiclient.ScopeRecommend}, s.recommendSession)
	rest.Register(s.api, huma.Operation{OperationID: "explain", Method: http.MethodGet, Path: "/recommendations/{user}/explain", Tags: tags,
		Summary: "Explain the score of an item for a user",
		Description: "The score is a sum with a term for each item of the user's history. A popular list has a rule instead. excluded_by says why the item is " +
			"not in the list that the same request gives, whatever its length."},
		rest.Access{Scope: apiclient.ScopeRecommend}, s.explain)
}

// ListQuery is what shapes every list. It is exported for the sake of reflection.
type ListQuery struct {
	K        int      `query:"k" minimum:"1" maximum:"1000" default:"10" doc:"Length of the list."`
	Category string   `query:"category" maxLength:"256" doc:"Only items of this category."`
	Tags     []string `query:"tag,explode" maxItems:"20" doc:"Only items with all of these tags."`
	Exclude  []string `query:"exclude,explode" maxItems:"500" doc:"Items to exclude."`
	Version  int64    `query:"version" minimum:"0" doc:"Version to read instead of the live one."`
}

func (q ListQuery) request() (recommend.Request, error) {
	r := recommend.Request{K: q.K, Category: q.Category, Tags: q.Tags, Exclude: q.Exclude, Version: q.Version}
	return r, checkIDs("exclude", q.Exclude)
}

// UserQuery has the parameters of a user's list in addition to those.
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
		RecommendationID: l.RecommendationID, UserID: l.UserID, Item: l.Item, Version: l.Version, Stage: l.Stage,
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
	Recent []string `query:"recent,explode" maxItems:"50" doc:"Items that were clicked just now. Unknown ones are ignored."`
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
		Score: e.Score, ExcludedBy: orEmpty(e.ExcludedBy), Rule: e.Rule, PopularityRank: e.PopularityRank,
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

// unknownItem answers for an item that a version does not have.
func unknownItem(err error) error {
	if errors.Is(err, recommend.ErrUnknownItem) {
		return rest.Fail(http.StatusNotFound, "unknown_item", "the version has no such item", "ids are as imported; a new item is known after the next training with its events")
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
