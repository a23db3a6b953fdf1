package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recsys"
)

// setItemsBody is the maximum size of a change of many items, in bytes.
const setItemsBody = 8 << 20

func (s *server) bulkItemRoutes() {
	rest.Register(s.api, huma.Operation{OperationID: "set-items", Method: http.MethodPut, Path: "/items", Tags: []string{"Items"},
		MaxBodyBytes: setItemsBody, BodyReadTimeout: requestTimeout,
		Summary: "Update the availability and metadata of many items",
		Description: "Changes up to 1,000 items as PUT /items/{id} does, in one transaction. The response has a result for each, in the order of the request: an " +
			"invalid change is reported and changes nothing, and all others are made. Of several changes of an item the last is made last."},
		rest.Access{Scope: apiclient.ScopeItems, Action: "item.set", Timeout: 30 * time.Second}, s.setItems)
}

type setItemsInput struct{ Body apiclient.ItemChanges }
type setItemsOutput struct{ Body apiclient.ItemResults }

func (s *server) setItems(ctx context.Context, in *setItemsInput) (*setItemsOutput, error) {
	out := &setItemsOutput{apiclient.ItemResults{Items: make([]apiclient.ItemResult, len(in.Body.Items))}}
	var ids []string
	for i, c := range in.Body.Items {
		r := &out.Body.Items[i]
		r.ItemID = c.ItemID
		if r.Detail = invalidChange(c); r.Detail == "" {
			ids = append(ids, c.ItemID)
		}
		r.Changed = r.Detail == ""
	}
	if len(ids) == 0 {
		return out, nil
	}
	err := s.api.Change(ctx, fmt.Sprintf("%d items", len(ids)), func(tx *postgres.DB) error {
		store := embeddings.New(tx)
		for i, c := range in.Body.Items {
			if !out.Body.Items[i].Changed {
				continue
			}
			change := embeddings.ItemChange{Available: c.Available, Title: c.Title, Category: c.Category, Tags: c.Tags, Reset: c.Reset}
			if _, err := store.ChangeItem(ctx, c.ItemID, change); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, s.markKnown(ctx, out.Body.Items, ids)
}

// markKnown sets which items the live version has.
func (s *server) markKnown(ctx context.Context, results []apiclient.ItemResult, ids []string) error {
	live, err := s.versions.Live(ctx)
	if errors.Is(err, recsys.ErrNoLiveVersion) {
		return nil
	}
	if err != nil {
		return err
	}
	known, err := s.embeddings.ItemVectors(ctx, live.Version, ids)
	for i := range results {
		_, results[i].Known = known[results[i].ItemID]
	}
	return err
}

// invalidChange returns why a change is refused, or "".
func invalidChange(c apiclient.NamedItemChange) string {
	if c.Available == nil && c.Title == nil && c.Category == nil && c.Tags == nil && len(c.Reset) == 0 {
		return "it changes nothing: set available, title, category, tags or reset"
	}
	if slices.Contains(c.Tags, "") {
		return "a tag is empty"
	}
	item := recsys.Item{ItemID: c.ItemID, Tags: c.Tags}
	if c.Title != nil {
		item.Title = *c.Title
	}
	if c.Category != nil {
		item.Category = *c.Category
	}
	if err := item.Check(); err != nil {
		return err.Error()
	}
	return ""
}
