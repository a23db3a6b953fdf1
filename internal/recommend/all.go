package recommend

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"
)

// RecommendAll reads the states of this many users at once, or fewer for long lists:
// at most itemsPerPart items in total.
const (
	maxUsersPerPart = 250
	itemsPerPart    = 25_000
)

// RecommendAll emits the lists of any number of users, in their order, each with a
// time before the state of the user was read. It ignores req.UserID. Readers work in
// parallel, each on a part of the users with a few round trips, so that searches and
// round trips overlap. All lists are from req.Version, or from the version that is
// live at the beginning. It stops at the first error, including those of users and
// emit, and returns recsys.ErrVersionGone if the version is dropped in the meantime.
func (r *Recommender) RecommendAll(ctx context.Context, req Request, users iter.Seq2[string, error], readers int, emit func(l List, at time.Time) error) error {
	if err := req.Check(); err != nil {
		return err
	}
	first, err := r.resolve(ctx, req.Version)
	if err != nil {
		return err
	}
	defer func() { r.Readers.put(first) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	parts := make(chan *part)          // for the readers
	order := make(chan *part, readers) // the same, to be emitted
	group.Go(func() error {
		defer close(parts)
		defer close(order)
		return eachPart(ctx, users, min(maxUsersPerPart, itemsPerPart/req.K), func(p *part) error {
			for _, to := range []chan *part{parts, order} {
				select {
				case to <- p:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	})
	for i := range readers {
		reader := first
		if i > 0 {
			reader = NewReader(r.Embeddings, first.version, first.manifest)
			reader.Memory = r.Memory
		}
		reader.folder.cache.limit = cacheBytes / readers
		group.Go(func() error {
			for p := range parts {
				p.at = time.Now()
				lists, err := reader.Lists(ctx, req, p.users)
				if err != nil {
					return err
				}
				p.lists <- lists
			}
			return nil
		})
	}
	emitErr := emitParts(ctx, order, emit)
	if emitErr != nil {
		stop()
	}
	if err := cmp.Or(emitErr, group.Wait()); err != nil {
		return fmt.Errorf("lists of version %d: %w", first.version.ID, err)
	}
	return nil
}

// emitParts emits the lists of the parts, in their order.
func emitParts(ctx context.Context, order <-chan *part, emit func(List, time.Time) error) error {
	for p := range order {
		select {
		case <-ctx.Done():
			return nil // the group has the error
		case lists := <-p.lists:
			for _, l := range lists {
				if err := emit(l, p.at); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// part is some users, and then their lists.
type part struct {
	users []string
	at    time.Time   // before their states were read; set before lists
	lists chan []List // has room for one element
}

// eachPart cuts a sequence into parts of at most n users.
func eachPart(ctx context.Context, users iter.Seq2[string, error], n int, do func(*part) error) error {
	next := func() *part { return &part{users: make([]string, 0, n), lists: make(chan []List, 1)} }
	p := next()
	for id, err := range users {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if p.users = append(p.users, id); len(p.users) == n {
			if err := do(p); err != nil {
				return err
			}
			p = next()
		}
	}
	if len(p.users) == 0 {
		return nil
	}
	return do(p)
}
