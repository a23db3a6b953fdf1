package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// faults makes the steps of a handler fail.
type faults struct {
	mu     sync.Mutex
	dead   bool     // the process was killed: its calls have no effect
	seen   []string // steps taken so far
	before func(step string) error
	after  func(step string) error
	change func(*recsys.UserState)
	counts *harnesstest.Faults // nil in a test that does not count faults
}

var (
	errInjected = errors.New("injected")
	errKilled   = errors.New("killed") // returned by before or after to simulate a killed process
)

func (f *faults) around(step string, do func() error) error {
	if err := f.check(step, f.before, true); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return f.check(step, f.after, false)
}

func (f *faults) check(step string, hook func(string) error, record bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return errKilled
	}
	if record {
		f.seen = append(f.seen, step)
	}
	if hook == nil {
		return nil
	}
	err := hook(step)
	f.dead = errors.Is(err, errKilled)
	switch {
	case f.dead:
		f.inject("kill")
	case err != nil:
		f.inject("error")
	}
	return err
}

// inject counts a fault. A hook that does not return an error calls it itself.
func (f *faults) inject(kind string) {
	if f.counts != nil {
		f.counts.Inject(kind)
	}
}

// allStores is every store of the handler in one value.
type allStores interface {
	versionStore
	recommend.Data
	eventStore
}

// faultyStore is a store whose steps can fail.
type faultyStore struct {
	*postgrestest.Store
	faults *faults
}

func (s faultyStore) StoreEvents(ctx context.Context, e []events.StreamEvent) (out events.StoredBatch, err error) {
	err = s.faults.around("store", func() error { out, err = s.Store.StoreEvents(ctx, e); return err })
	return out, err
}

func (s faultyStore) Live(ctx context.Context) (out recsys.Live, err error) {
	err = s.faults.around("live", func() error { out, err = s.Store.Live(ctx); return err })
	return out, err
}

func (s faultyStore) UserStates(ctx context.Context, v recsys.Version, ids []string) (out []recsys.UserState, revision recsys.OverrideRevision, err error) {
	err = s.faults.around("read", func() error { out, revision, err = s.Store.UserStates(ctx, v, ids); return err })
	if s.faults.change != nil {
		for i := range out {
			s.faults.change(&out[i])
		}
	}
	return out, revision, err
}

func (s faultyStore) ItemVectors(ctx context.Context, v recsys.Version, ids []string) (out map[string][]float32, err error) {
	err = s.faults.around("items", func() error { out, err = s.Store.ItemVectors(ctx, v, ids); return err })
	return out, err
}

func (s faultyStore) Popular(ctx context.Context, v recsys.Version, q recsys.Query) (out []recsys.Hit, err error) {
	err = s.faults.around("popular", func() error { out, err = s.Store.Popular(ctx, v, q); return err })
	return out, err
}

func (s faultyStore) EachItem(ctx context.Context, v recsys.Version, emit func(recsys.Item, []float32) error) error {
	return s.faults.around("hold", func() error { return s.Store.EachItem(ctx, v, emit) })
}

func (s faultyStore) OverridesSince(ctx context.Context, since recsys.OverrideRevision) (out embeddings.OverrideChanges, err error) {
	err = s.faults.around("overrides", func() error { out, err = s.Store.OverridesSince(ctx, since); return err })
	return out, err
}

func (s faultyStore) NearestEach(ctx context.Context, v recsys.Version, queries []recsys.Query, emit func(int, []recsys.Hit)) error {
	return s.faults.around("search", func() error {
		n := 0
		var failed error
		err := s.Store.NearestEach(ctx, v, queries, func(i int, hits []recsys.Hit) {
			n++
			if failed = errors.Join(failed, s.faults.check(fmt.Sprintf("search %d", n), s.faults.before, false)); failed == nil {
				emit(i, hits)
			}
		})
		return errors.Join(failed, err)
	})
}

func (s faultyStore) WriteVerdicts(ctx context.Context, v []events.Verdict, e []events.Evaluation) error {
	return s.faults.around("verdicts", func() error { return s.Store.WriteVerdicts(ctx, v, e) })
}
