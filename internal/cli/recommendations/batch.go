package recommendations

import (
	"context"
	"errors"
	"iter"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
)

// eachList requests the lists of users in batches, and emits a result for each
// in the order of users. All lists are from one version, unless it is dropped
// meanwhile. It ends at the first error, also of emit.
func eachList(ctx context.Context, api *apiclient.Client, r apiclient.ListRequest, users iter.Seq[string], emit func(apiclient.UserList) error) error {
	req := apiclient.BatchRequest{
		K: r.K, Category: r.Category, Tags: r.Tags, Version: r.Version, ExcludeSeen: r.ExcludeSeen, Exclude: r.Exclude, Recent: r.Recent,
	}
	for ids := range batches(users) {
		req.Users = ids
		lists, err := recommendBatch(ctx, api, req)
		if dropped(err) && r.Version == 0 && req.Version != 0 {
			req.Version = 0 // the version that is live now
			lists, err = recommendBatch(ctx, api, req)
		}
		if err != nil {
			return err
		}
		for _, u := range lists.Items {
			if u.List != nil {
				req.Version = u.List.Version
			}
			if err := emit(u); err != nil {
				return err
			}
		}
	}
	return nil
}

func recommendBatch(ctx context.Context, api *apiclient.Client, req apiclient.BatchRequest) (apiclient.BatchLists, error) {
	return app.Unthrottled(ctx, func() (apiclient.BatchLists, error) { return api.RecommendBatch(ctx, req) })
}

// dropped reports whether err means that a version was dropped.
func dropped(err error) bool {
	var p *apiclient.Problem
	return errors.As(err, &p) && (p.Code == "not_found" || p.Code == "version_gone")
}

// batches splits users into slices of at most apiclient.MaxBatch, each valid
// until the next.
func batches(users iter.Seq[string]) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		batch := make([]string, 0, apiclient.MaxBatch)
		for id := range users {
			if batch = append(batch, id); len(batch) == cap(batch) {
				if !yield(batch) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}
