package main

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recommend"
)

// batchBody is the maximum size of a batch request, in bytes. The largest valid
// request fits, even if every character of its ids is escaped.
const batchBody = 2 << 20

func (s *server) batchRoutes() {
	rest.Register(s.api, huma.Operation{OperationID: "recommend-batch", Method: http.MethodPost, Path: "/recommendations/batch", Tags: []string{"Recommendations"},
		MaxBodyBytes: batchBody, BodyReadTimeout: requestTimeout,
		Summary: "Recommend items to many users",
		Description: "Read-only. Returns the same lists as GET /recommendations/{user} for up to 100 users, from one version and in a few round trips. " +
			"The response contains a list or a problem for each user, in the order of the request. An error that affects all users, such as a version that does not exist, " +
			"fails the request."},
		rest.Access{Scope: apiclient.ScopeRecommend}, s.recommendBatch)
}

type batchInput struct{ Body apiclient.BatchRequest }
type batchOutput struct{ Body apiclient.BatchLists }

func (s *server) recommendBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	b := in.Body
	if err := errors.Join(checkIDs("exclude", b.Exclude), checkIDs("recent", b.Recent)); err != nil {
		return nil, err
	}
	out := make([]apiclient.UserList, len(b.Users))
	var users []string
	var places []int // index in out, for each of users
	for i, id := range b.Users {
		out[i].UserID = id
		if err := checkID("user", id); err != nil {
			out[i].Problem = rest.ProblemOf(ctx, s.log, err)
			continue
		}
		users, places = append(users, id), append(places, i)
	}
	release, err := s.searchSlot(ctx, b.Version)
	if err != nil {
		return nil, err
	}
	defer release()
	req := recommend.Request{K: b.K, Category: b.Category, Tags: b.Tags, Exclude: b.Exclude, Recent: b.Recent, Version: b.Version, ExcludeSeen: b.ExcludeSeen}
	made := 0
	err = s.reader.RecommendMany(ctx, req, slices.Values(users), func(l recommend.List) error {
		list := listOf(l)
		out[places[made]].List = &list
		made++
		return nil
	})
	if ofOneUser(err) {
		err = s.recommendEach(ctx, req, users, places, out)
	}
	if err != nil {
		return nil, err
	}
	return &batchOutput{apiclient.BatchLists{Items: out}}, nil
}

// ofOneUser reports whether an error is about one list only.
func ofOneUser(err error) bool {
	return errors.Is(err, recommend.ErrNoSolution) || errors.Is(err, recommend.ErrListFailed)
}

// recommendEach computes each list separately: only the users whose list cannot be
// computed get a problem.
func (s *server) recommendEach(ctx context.Context, req recommend.Request, users []string, places []int, out []apiclient.UserList) error {
	for n, id := range users {
		req.UserID = id
		l, err := s.reader.Recommend(ctx, req)
		if ofOneUser(err) {
			out[places[n]].Problem = rest.ProblemOf(ctx, s.log, err)
			continue
		}
		if err != nil {
			return err
		}
		list := listOf(l)
		out[places[n]].List = &list
	}
	return nil
}
