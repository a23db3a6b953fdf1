package recommend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// ErrUnknownItem says that a version has no such item.
var ErrUnknownItem = errors.New("unknown item")

// Similar lists the items nearest to an item by inner product, the similarity
// that users and items are compared with too (docs/decisions/0010-search-in-postgres.md).
// Users and recent items of the request play no part. It returns ErrUnknownItem
// when the version does not know the item.
func (r *Recommender) Similar(ctx context.Context, itemID string, req Request) (list List, err error) {
	if err := req.Check(); err != nil {
		return List{}, err
	}
	err = r.with(ctx, req.Version, func(reader *Reader) error {
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
		// The item takes the place of a user, and cannot be mistaken for one.
		RecommendationID: recsys.RecommendationID("item\x00"+itemID, reader.version.ID, reader.ConfigHash(req), nil),
		Item:             &item, Version: reader.version.ID, Stage: Alike, Items: rank(hits),
	}, nil
}

// item is an item of a version, or ErrUnknownItem.
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

// Item is an item of the live version, and that version: also when it does not
// know the item, which is ErrUnknownItem.
func (r *Recommender) Item(ctx context.Context, itemID string) (item recsys.Item, version int64, err error) {
	err = r.with(ctx, 0, func(reader *Reader) error {
		version = reader.version.ID
		item, _, err = r.item(ctx, reader.version, itemID)
		return err
	})
	return item, version, err
}
