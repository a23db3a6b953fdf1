package recommend

import (
	"context"
	"errors"
	"fmt"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// ErrUnknownItem says that a version has no such item.
var ErrUnknownItem = errors.New("unknown item")

// Similar lists the items nearest to an item by inner product, the similarity
// that users and items are compared with too (docs/decisions/0801-similar-items.md).
// It returns ErrUnknownItem when the version does not know the item.
func (r *Recommender) Similar(ctx context.Context, itemID string, k int, category string, version int64) (List, error) {
	if err := (Request{K: k, Version: version}).Check(); err != nil {
		return List{}, err
	}
	list, err := r.similar(ctx, itemID, k, category, version)
	if errors.Is(err, recsys.ErrVersionGone) && version == 0 {
		return r.similar(ctx, itemID, k, category, version)
	}
	return list, err
}

func (r *Recommender) similar(ctx context.Context, itemID string, k int, category string, version int64) (List, error) {
	reader, err := r.resolve(ctx, version)
	if err != nil {
		return List{}, err
	}
	item, vector, err := r.Store.Item(ctx, reader.version, itemID)
	if errors.Is(err, recsys.ErrNotFound) {
		return List{}, fmt.Errorf("version %d: %w %q", reader.version.ID, ErrUnknownItem, itemID)
	}
	if err != nil {
		return List{}, fmt.Errorf("read the item: %w", err)
	}
	hits, err := r.Store.Nearest(ctx, reader.version, vectorstore.Query{
		Vector: vector, K: k, Category: category, Exclude: []string{itemID},
	})
	if err != nil {
		return List{}, fmt.Errorf("find the nearest items: %w", err)
	}
	return List{Item: &item, Version: reader.version.ID, Items: rank(hits)}, nil
}
