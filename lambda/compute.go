package main

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/recflow/recflow/internal/panics"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/vectorstore"
)

// compute is the third step: it makes the lists of all users that have none yet,
// in the order of their records. What is made before an error stays made.
func (h *Handler) compute(ctx context.Context, r *recommend.Reader, b *batch) error {
	todo := b.waiting()
	if len(todo) == 0 {
		return nil
	}
	begin := time.Now()
	ids := make([]string, len(todo))
	for i, n := range todo {
		ids[i] = b.users[n].id
	}
	states, err := r.Read(ctx, ids)
	if err != nil {
		return err
	}
	hits, misses := r.CacheUse()
	loaded, err := r.Load(ctx, states)
	b.cacheHits, b.cacheMisses = r.CacheUse()
	b.cacheHits, b.cacheMisses = b.cacheHits-hits, b.cacheMisses-misses
	if err != nil {
		return err
	}
	todo = todo[:loaded] // what does not fit into memory together comes again
	begin = lap(&b.times.read, begin)

	folded := h.fold(r, b, todo, states)
	begin = lap(&b.times.fold, begin)

	err = h.search(ctx, r, b, folded)
	lap(&b.times.search, begin)
	return err
}

// fold makes the states of the users, on all cores, judges their events, and
// returns the users whose states are made. It reads nothing.
func (h *Handler) fold(r *recommend.Reader, b *batch, todo []int, states []vectorstore.UserState) []int {
	trials := make([]*trial, len(todo))
	errs := parallel(len(todo), func(i int) error {
		u := &b.users[todo[i]]
		state, err := r.Fold(states[i])
		unsolved := errors.Is(err, recommend.ErrNoSolution)
		if err != nil && !unsolved {
			return err
		}
		u.state = state
		for _, e := range u.events {
			b.events[e].judge(r, unsolved)
		}
		trials[i] = h.try(r, b, u, states[i])
		return nil
	})
	var folded []int
	for i, n := range todo {
		if errs[i] != nil {
			h.report("fold in a user", errs[i])
			continue
		}
		folded = append(folded, n)
		if trials[i] != nil {
			b.trials = append(b.trials, *trials[i])
		}
	}
	return folded
}

// search finds the items of the lists, and after them those of the trials.
func (h *Handler) search(ctx context.Context, r *recommend.Reader, b *batch, folded []int) error {
	asks := make([]recommend.Ask, 0, len(folded)+2*len(b.trials))
	for _, n := range folded {
		asks = append(asks, recommend.Ask{State: b.users[n].state, K: h.ListLength})
	}
	for _, t := range b.trials {
		asks = append(asks, recommend.Ask{State: t.liveState, K: trialDepth}, recommend.Ask{State: t.staleState, K: trialDepth})
	}
	return r.Search(ctx, recommend.Request{K: h.ListLength}, asks, func(i int, l recommend.List) {
		if i < len(folded) {
			b.users[folded[i]].list = &l
			return
		}
		i -= len(folded)
		t := &b.trials[i/2]
		at := rankOf(l, b.events[t.event].ItemID)
		if i%2 == 0 {
			t.liveStage, t.liveRank, t.liveKnown = l.Stage, at, true
		} else {
			t.staleStage, t.staleRank, t.staleKnown = l.Stage, at, true
		}
	})
}

// Why an accepted event is not folded.
const (
	noLiveVersion = "no_live_version"
	unknownItem   = "unknown_item"
	unknownType   = "unknown_type"
	impression    = "impression"
	noWeight      = "no_weight" // such as a rating below the threshold
	covered       = "covered"   // the version has counted it
	noSolution    = "no_solution"
)

// judge says what the version makes of an event of a user it has loaded.
func (e *event) judge(r *recommend.Reader, unsolved bool) {
	e.folded, e.reason = false, ""
	interest := r.Interest()
	_, declared := interest.Weights[e.EventType]
	switch {
	case e.EventType == recsys.Impression:
		e.reason = impression
	case r.Version().Coverage.Covers(e.Event):
		e.reason = covered
	case !r.Knows(e.ItemID):
		e.reason = unknownItem
	case !declared:
		e.reason = unknownType
	case interest.Weight(e.EventType, e.Value) == 0:
		e.reason = noWeight
	case unsolved:
		e.reason = noSolution
	default:
		e.folded = true
	}
}

// parallel runs fn for 0 to n-1 on all cores. One that panics fails alone.
func parallel(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	workers := min(runtime.GOMAXPROCS(0), n)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < n; i += workers {
				errs[i] = safely(func() error { return fn(i) })
			}
		})
	}
	group.Wait()
	return errs
}

// safely turns a panic into an error.
func safely(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panics.New(p)
		}
	}()
	return fn()
}

func rankOf(l recommend.List, itemID string) int {
	return 1 + slices.IndexFunc(l.Items, func(i recommend.Ranked) bool { return i.ItemID == itemID })
}
