package main

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

func (s *server) itemRoutes() {
	tags := []string{"Items"}
	rest.Register(s.api, huma.Operation{OperationID: "get-item", Method: http.MethodGet, Path: "/items/{id}", Tags: tags,
		Summary: "Show an item"}, rest.Access{Scope: apiclient.ScopeRecommend, Timeout: listTimeout}, s.getItem)
	rest.Register(s.api, huma.Operation{OperationID: "set-item", Method: http.MethodPut, Path: "/items/{id}", Tags: tags,
		Summary: "Update an item's availability and metadata",
		Description: "Takes effect with the next list, also in the stream, and in every version: an unavailable item is in no list, and filters use the " +
			"category and the tags. Absent fields are not changed. The item does not have to exist in the live version."},
		rest.Access{Scope: apiclient.ScopeItems, Action: "item.set"}, s.setItem)
	rest.Register(s.api, huma.Operation{OperationID: "similar-items", Method: http.MethodGet, Path: "/items/{id}/similar", Tags: tags,
		Summary: "List items similar to an item"}, rest.Access{Scope: apiclient.ScopeRecommend, Timeout: listTimeout}, s.similarItems)
}

// ItemPath contains the id of an item. It is exported for reflection.
type ItemPath struct {
	ID string `path:"id" maxLength:"256" example:"sku-42"`
}
type itemOutput struct{ Body apiclient.CurrentItem }

func (s *server) getItem(ctx context.Context, in *ItemPath) (*itemOutput, error) {
	if err := checkID("id", in.ID); err != nil {
		return nil, err
	}
	overrides, err := s.embeddings.ItemState(ctx, in.ID)
	if errors.Is(err, recsys.ErrNotFound) {
		return s.currentItem(ctx, in.ID, nil)
	}
	if err != nil {
		return nil, err
	}
	return s.currentItem(ctx, in.ID, &overrides)
}

type setItemInput struct {
	ItemPath
	Body apiclient.ItemChange
}

func (s *server) setItem(ctx context.Context, in *setItemInput) (*itemOutput, error) {
	if err := checkID("id", in.ID); err != nil {
		return nil, err
	}
	b := in.Body
	if b.Available == nil && b.Title == nil && b.Category == nil && b.Tags == nil && len(b.Reset) == 0 {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "the request changes nothing", "set available, title, category, tags or reset")
	}
	if slices.Contains(b.Tags, "") {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "a tag is empty", "omit it")
	}
	var overrides embeddings.ItemState
	err := s.api.Change(ctx, in.ID, func(tx *postgres.DB) (err error) {
		overrides, err = embeddings.New(tx).ChangeItem(ctx, in.ID, embeddings.ItemChange{Available: b.Available, Title: b.Title, Category: b.Category, Tags: b.Tags, Reset: b.Reset})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.currentItem(ctx, in.ID, &overrides)
}

// currentItem returns an item of the live version with its overrides, or the overrides alone.
func (s *server) currentItem(ctx context.Context, id string, overrides *embeddings.ItemState) (*itemOutput, error) {
	out := &itemOutput{apiclient.CurrentItem{Overrides: itemStateOf(overrides), Known: true}}
	var err error
	out.Body.Item, out.Body.Version, err = s.reader.Item(ctx, id)
	if overrides == nil || !errors.Is(err, recommend.ErrUnknownItem) && !errors.Is(err, recsys.ErrNoLiveVersion) {
		return out, unknownItem(err)
	}
	out.Body.Known = false
	out.Body.Item = recsys.Item{ItemID: id, Tags: overrides.Tags, Available: overrides.Available == nil || *overrides.Available}
	if overrides.Title != nil {
		out.Body.Title = *overrides.Title
	}
	if overrides.Category != nil {
		out.Body.Category = *overrides.Category
	}
	return out, nil
}

// itemStateOf maps the overrides of an item to their public form; nil stays nil.
func itemStateOf(st *embeddings.ItemState) *apiclient.ItemState {
	if st == nil {
		return nil
	}
	out := &apiclient.ItemState{Available: st.Available, Title: st.Title, Category: st.Category, Tags: st.Tags, UpdatedAt: st.UpdatedAt}
	switch {
	case st.ByCatalog:
		out.Source = apiclient.SourceCatalog
	case st.Available != nil:
		out.Source = apiclient.SourceOperator
	}
	return out
}

type similarItemsInput struct {
	ItemPath
	ListQuery
}

func (s *server) similarItems(ctx context.Context, in *similarItemsInput) (*listOutput, error) {
	r, err := in.request()
	if err == nil {
		err = checkID("id", in.ID)
	}
	if err != nil {
		return nil, err
	}
	release, err := s.searchSlot(ctx, in.Version)
	if err != nil {
		return nil, err
	}
	defer release()
	list, err := s.reader.Similar(ctx, in.ID, r)
	return &listOutput{listOf(list)}, unknownItem(err)
}
