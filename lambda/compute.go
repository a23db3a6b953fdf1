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
)

// compute is the third step: it computes the lists of the users. If the version
// is dropped during the step, it computes all lists from the version that is
// live afterwards. Lists computed before any other error are kept.
func (h *Handler) compute(ctx context.Context, r *recommend.Reader, b *batch) error {
	b.groupByUser()
	err := h.makeLists(ctx, r, b)
	if !errors.Is(err, recsys.ErrVersionGone) {
		return err
	}
	for _, u := range b.users {
		u.list, u.trial, u.failed = nil, nil, false
	}
	b.cacheHits, b.cacheMisses = 0, 0
	if r, err = h.newReader(ctx); err != nil {
		return err
	}
	return h.makeLists(ctx, r, b)
}

// groupByUser finds the users whose lists may have changed: those with an event
// other than an impression.
func (b *batch) groupByUser() {
	byID := map[string]*user{}
	for _, e := range b.events {
		if recsys.IsImpression(e.EventType) {
			continue
		}
		u := byID[e.UserID]
		if u == nil {
			u = &user{id: e.UserID, trigger: e}
			byID[e.UserID] = u
			b.users = append(b.users, u)
		}
		e.user = u
		u.events = append(u.events, e)
		if byTime(e, u.trigger) > 0 {
			u.trigger = e
		}
	}
}

// makeLists computes the lists in the order of the users' records.
func (h *Handler) makeLists(ctx context.Context, r *recommend.Reader, b *batch) error {
	if len(b.users) == 0 {
		return nil
	}
	begin := time.Now()
	ids := make([]string, len(b.users))
	for i, u := range b.users {
		ids[i] = u.id
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
	lap(&b.times.read, begin)

	// Whatever computing does to the process, the next training has the events.
	b.delivering.Wait()
	begin = time.Now()

	// The items of the remaining users do not fit into memory: their records
	// are retried.
	folded := h.fold(r, b.users[:loaded], states)
	begin = lap(&b.times.fold, begin)

	err = h.search(ctx, r, folded)
	lap(&b.times.search, begin)
	return err
}

// fold computes the states of the users on all cores, classifies their events,
// and returns the users whose states were computed. It does no I/O, so a user whom it
// cannot fold in would fail again.
func (h *Handler) fold(r *recommend.Reader, users []*user, states []recsys.UserState) []*user {
	errs := parallel(len(users), func(i int) (err error) {
		u := users[i]
		u.state, err = r.Fold(states[i])
		unsolved := errors.Is(err, recommend.ErrNoSolution)
		if err != nil && !unsolved {
			return err
		}
		for _, e := range u.events {
			e.classify(r, states[i], unsolved)
		}
		u.trial = h.newTrial(r, u, states[i])
		return nil
	})
	var folded []*user
	for i, u := range users {
		if errs[i] != nil {
			h.reportList("fold in a user", errs[i])
			u.fail()
			continue
		}
		folded = append(folded, u)
	}
	return folded
}

// search finds the items of the lists, and then those of the trials. A search that
// fails for one user would fail again.
func (h *Handler) search(ctx context.Context, r *recommend.Reader, users []*user) error {
	var specs []recommend.ListSpec
	var receive []func(recommend.List, error) // receivers of the lists
	for _, u := range users {
		specs = append(specs, recommend.ListSpec{State: u.state, K: h.ListLength})
		receive = append(receive, func(l recommend.List, err error) {
			if err != nil {
				h.reportList("search for a user", err)
				u.fail()
				return
			}
			u.list = &l
		})
	}
	for _, u := range users {
		if u.trial == nil {
			continue
		}
		for _, side := range []*trialList{&u.trial.live, &u.trial.stale} {
			specs = append(specs, recommend.ListSpec{State: side.state, K: trialDepth})
			receive = append(receive, func(l recommend.List, err error) {
				if err != nil { // the trial is not evaluated
					return
				}
				side.stage, side.rank, side.known = l.Stage, rankOf(l, u.trial.event.ItemID), true
			})
		}
	}
	return r.Search(ctx, recommend.Request{K: h.ListLength}, specs, func(i int, l recommend.List, err error) { receive[i](l, err) })
}

// Reasons why an accepted event is not folded in.
const (
	noLiveVersion = "no_live_version"
	unknownItem   = "unknown_item"
	unknownType   = "unknown_type"
	impression    = "impression"
	noWeight      = "no_weight" // such as a rating below the threshold
	covered       = "covered"   // the version was trained on it
	noSolution    = "no_solution"
	overUserLimit = "over_user_limit" // the user has recsys.MaxUserEvents newer ones
	listFailed    = "list_failed"     // an error or a panic, which is in the log
)

// classify decides whether an event affects the list of its user, whose state s
// has been folded in.
func (e *event) classify(r *recommend.Reader, s recsys.UserState, unsolved bool) {
	e.folded, e.reason = false, ""
	interest := r.Interest()
	switch {
	case r.Version().Coverage.Covers(e.Event):
		e.reason = covered
	case !s.Includes(e.Event):
		e.reason = overUserLimit
	case !r.Contains(e.ItemID):
		e.reason = unknownItem
	case !interest.Declares(e.EventType):
		e.reason = unknownType
	case interest.Weight(e.EventType, e.Value) == 0:
		e.reason = noWeight
	case unsolved:
		e.reason = noSolution
	default:
		e.folded = true
	}
}

// parallel runs fn for 0 to n-1 on all cores. A panic fails only its own call.
func parallel(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	workers := min(runtime.GOMAXPROCS(0), n)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for i := w; i < n; i += workers {
				errs[i] = panics.Catch(func() error { return fn(i) })
			}
		})
	}
	group.Wait()
	return errs
}

func rankOf(l recommend.List, itemID string) int {
	return 1 + slices.IndexFunc(l.Items, func(i recommend.Ranked) bool { return i.ItemID == itemID })
}
