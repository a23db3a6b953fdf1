package recommend

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// ErrUnknownItem means that a version does not contain an item.
var ErrUnknownItem = errors.New("unknown item")

// Similar lists the items nearest to an item by recsys.SimilarScore, with the β of the
// version (docs/decisions/0032-similar-items.md). It ignores the user and the recent
// items of the request. It returns ErrUnknownItem if the version does not contain the
// item.
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
	if err := reader.readItems(ctx); err != nil {
		return List{}, err
	}
	item, vector, err := r.item(ctx, reader, itemID)
	if err != nil {
		return List{}, err
	}
	query := recsys.Query{
		Vector: vector, K: req.K, Category: req.Category, Tags: req.Tags, Exclude: append(slices.Clone(req.Exclude), itemID),
		Beta: reader.manifest.SimilarBeta(),
	}
	var hits []recsys.Hit
	var failed error
	err = reader.nearest(ctx, []recsys.Query{query}, func(_ int, found []recsys.Hit, err error) { hits, failed = found, err })
	if err = cmp.Or(err, failed); err != nil {
		return List{}, fmt.Errorf("find the nearest items: %w", err)
	}
	return List{
		// The item replaces the user: no user id contains a NUL character.
		RecommendationID: recsys.RecommendationID("item\x00"+itemID, reader.version.ID, reader.ConfigHash(req), nil),
		Item:             &item, Version: reader.version.ID, Stage: Similar, Items: rank(hits),
	}, nil
}

// readItems is Read for a request without a user: one round trip for the revision of
// the items, if they are in memory, and none otherwise.
func (r *Reader) readItems(ctx context.Context) error {
	if r.Memory.itemsOf(r.version) == nil {
		r.inMemory, r.folder.index = nil, nil
		return nil
	}
	_, err := r.Read(ctx, nil)
	return err
}

// item returns an item of the reader's version and its vector, from memory if the
// last Read found the items there, or ErrUnknownItem.
func (r *Recommender) item(ctx context.Context, reader *Reader, itemID string) (recsys.Item, []float32, error) {
	unknown := fmt.Errorf("version %d: %w %q", reader.version.ID, ErrUnknownItem, itemID)
	if reader.inMemory != nil {
		view, err := reader.inMemory.view(ctx, reader.data, reader.overrides)
		if err != nil {
			return recsys.Item{}, nil, fmt.Errorf("read the item: %w", err)
		}
		item, vector, known := view.Item(itemID)
		if !known {
			return recsys.Item{}, nil, unknown
		}
		return item, vector, nil
	}
	item, vector, err := r.Embeddings.Item(ctx, reader.version, itemID)
	if errors.Is(err, recsys.ErrNotFound) {
		return item, nil, unknown
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
		if err := reader.readItems(ctx); err != nil {
			return err
		}
		item, _, err = r.item(ctx, reader, itemID)
		return err
	})
	return item, version, err
}
