package recommend

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// State is what a version and the events that it has not counted say of a user
// together. It is a function of the set of those events.
type State struct {
	UserID  string
	History recsys.History // the version's, with the events
	Vector  []float32      // nil when nothing in the history counts
	Events  []string       // sorted ids of the events in it
	trained bool
	folded  bool // made by Fold: Events says what is in it beside the version's data
}

// Stage says where a list made from the state comes from.
func (st State) Stage() string {
	switch {
	case st.Vector == nil:
		return Popular
	case st.trained:
		return Personalized
	default:
		return Session
	}
}

// Seen reports whether the user has interacted with the item.
func (st State) Seen(itemID string) bool {
	return slices.Contains(st.History.Items, itemID) || slices.Contains(st.History.Seen, itemID)
}

// exclude lists the items that must not come back.
func (st State) exclude(req Request) []string {
	if req.ExcludeSeen == SeenNone {
		return req.Exclude
	}
	return slices.Concat(st.History.Items, st.History.Seen, req.Exclude)
}

// Read is what the version and the kept events say of each user, in one round
// trip and in the order of the ids.
func (r *Reader) Read(ctx context.Context, ids []string) ([]recsys.UserState, error) {
	users, items, err := r.data.UserStates(ctx, r.version, ids)
	if err != nil {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	r.items = items
	r.hold()
	return users, nil
}

// hold takes the items from memory until the next time, if they are there.
func (r *Reader) hold() {
	r.held, r.folder.index = r.Memory.of(r.version.ID), nil
	if r.held != nil {
		r.folder.index = r.held.index
		r.folder.cache.clear()
	}
}

// recentEvent begins the ids of the clicks that Request.Recent stands for. No
// event has such an id: ids hold no control character.
const recentEvent = "recent\x00"

// addRecent adds a click on each of the items to what is known of each user, a
// moment after everything else, so that it counts in full. Their order plays no
// part.
func (r *Reader) addRecent(users []recsys.UserState, recent []string) {
	for i := range users {
		u := &users[i]
		now := r.version.Coverage.To
		for _, e := range u.Events {
			if e.OccurredAt.After(now) {
				now = e.OccurredAt
			}
		}
		if u.History.Reference.After(now) {
			now = u.History.Reference
		}
		now = now.Add(time.Microsecond) // as fine as event times are
		for _, item := range recent {
			u.Events = append(u.Events, recsys.Event{
				EventID: recentEvent + item, UserID: u.ID, ItemID: item, EventType: recsys.Click, OccurredAt: now,
			})
		}
	}
}

// Load reads the items that Knows and Fold will ask for, in at most one round
// trip, and returns how many of the users they are complete for: fewer than
// all, but at least one, when their items do not fit into memory together. What
// it read stays until the next Load.
func (r *Reader) Load(ctx context.Context, users []recsys.UserState) (int, error) {
	cache := r.folder.cache
	cache.begin()
	var missing missing
	n := 0
	for ; n < len(users); n++ {
		before := len(missing.ids)
		counts := false
		for _, e := range users[n].Events {
			if e.EventType != recsys.Impression {
				r.folder.collect(&missing, one(e.ItemID))
				counts = counts || r.counts(e)
			}
		}
		if counts {
			r.folder.collect(&missing, slices.Values(users[n].History.Items))
		}
		if n > 0 && cache.full() {
			missing.ids = missing.ids[:before]
			break
		}
	}
	return n, r.folder.read(ctx, missing.ids)
}

// Knows reports whether the version has the item. Load must have seen it.
func (r *Reader) Knows(itemID string) bool { return r.folder.vector(itemID) != nil }

// Fold makes the state of a user. Impressions, and events on items that the
// version does not know, are no part of it. Without an event that counts, the
// stored vector stays as it is. With ErrNoSolution the state is complete but
// for its vector, which is the stored one.
//
// It is pure and safe beside itself; Load must have seen the user.
func (r *Reader) Fold(u recsys.UserState) (State, error) {
	st := State{UserID: u.ID, History: u.History, Vector: u.Vector, trained: u.Vector != nil, folded: true}
	fresh := make([]recsys.Event, 0, len(u.Events))
	for _, e := range u.Events {
		if e.EventType != recsys.Impression && r.Knows(e.ItemID) {
			fresh = append(fresh, e)
			st.Events = append(st.Events, e.EventID)
		}
	}
	if len(fresh) == 0 {
		return st, nil
	}
	slices.Sort(st.Events)
	st.Events = slices.Compact(st.Events)
	st.History = r.manifest.Interest.Extend(u.History, fresh)
	if !slices.ContainsFunc(fresh, r.counts) {
		return st, nil
	}
	vector, err := r.folder.solve(st.History)
	if err != nil {
		return st, err
	}
	st.Vector = vector
	return st, nil
}

// counts reports whether an event weighs anything under the version's interest.
func (r *Reader) counts(e recsys.Event) bool {
	return r.manifest.Interest.Weight(e.EventType, e.Value) > 0
}
