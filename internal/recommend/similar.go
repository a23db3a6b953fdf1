package recommend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// ErrUnknownItem means that a version does not contain an item.
var ErrUnknownItem = errors.New("unknown item")

// Similar lists the items nearest to an item by inner product, the same measure as
// for users (docs/decisions/0010-search-in-postgres.md). It ignores the user and
// the recent items of the request. It returns ErrUnknownItem if the version does
// not contain the item.
func (r *Recommender) Similar(ctx context.Context, itemID string, req Request) (list List, err error) {
	if err := req.Check(); err != nil {
		return List{}, err
	}
	err = r.withReader(ctx, req.Version, func(reader *Reader) error {
		list, err = r.similar(ctx, reader, itemID, req)
		return err
	})
	return list, err
}

func (r *Recommender) similar(ctx context.Context, reader *Reader, itemID string, req Request) (List, error) {
	item, vector, err := r.item(ctx, reader.version, itemID)
	if err != nil {
		return List{}, err
	}
	hits, err := r.Embeddings.Nearest(ctx, reader.version, recsys.Query{
		Vector: vector, K: req.K, Category: req.Category, Tags: req.Tags, Exclude: append(slices.Clone(req.Exclude), itemID),
	})
	if err != nil {
		return List{}, fmt.Errorf("find the nearest items: %w", err)
	}
	return List{
		// The item replaces the user: no user id contains a NUL character.
		RecommendationID: recsys.RecommendationID("item\x00"+itemID, reader.version.ID, reader.ConfigHash(req), nil),
		Item:             &item, Version: reader.version.ID, Stage: Similar, Items: rank(hits),
	}, nil
}

// item returns an item of a version, or ErrUnknownItem.
func (r *Recommender) item(ctx context.Context, v recsys.Version, itemID string) (recsys.Item, []float32, error) {
	item, vector, err := r.Embeddings.Item(ctx, v, itemID)
	if errors.Is(err, recsys.ErrNotFound) {
		return item, nil, fmt.Errorf("version %d: %w %q", v.ID, ErrUnknownItem, itemID)
	}
	if err != nil {
		return item, nil, fmt.Errorf("read the item: %w", err)
	}
	return item, vector, nil
}

// Item returns an item of the live version, and that version. It also returns the
// version with ErrUnknownItem, if the version does not contain the item.
func (r *Recommender) Item(ctx context.Context, itemID string) (item recsys.Item, version int64, err error) {
	err = r.withReader(ctx, 0, func(reader *Reader) error {
		version = reader.version.ID
		item, _, err = r.item(ctx, reader.version, itemID)
		return err
	})
	return item, version, err
}
