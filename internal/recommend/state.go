package recommend

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// State is the state of a user: the data of a version, with the uncovered events
// folded in. It depends only on the set of those events.
type State struct {
	UserID    string
	History   recsys.History // the version's, extended by the events
	Vector    []float32      // nil if no item in the history has weight
	Events    []string       // sorted ids of the folded-in events
	NotFolded int            // recsys.UserState.NotFolded
	trained   bool           // the version has a vector of the user
	folded    bool           // made by Fold, so Events is complete
}

// Stage returns the stage of a list that is made from the state.
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

// exclude returns the ids of the items that the list must not contain.
func (st State) exclude(req Request) []string {
	if req.ExcludeSeen == SeenNone {
		return req.Exclude
	}
	return slices.Concat(st.History.Items, st.History.Seen, req.Exclude)
}

// Read returns the data of the version and the uncovered events of each user, in
// one round trip and in the order of the ids.
func (r *Reader) Read(ctx context.Context, ids []string) ([]recsys.UserState, error) {
	users, overrides, err := r.data.UserStates(ctx, r.version, ids)
	if err != nil {
		return nil, fmt.Errorf("read the users: %w", err)
	}
	r.overrides = overrides
	r.useMemory()
	return users, nil
}

// useMemory uses the items in Memory until the next Read, if they are loaded.
func (r *Reader) useMemory() {
	r.inMemory, r.folder.index = r.Memory.itemsOf(r.version), nil
	if r.inMemory != nil {
		r.folder.index = r.inMemory.index
		r.folder.cache.clear()
	}
}

// recentEvent is the prefix of the event ids of Request.Recent. No other event has
// such an id, because ids contain no control characters.
const recentEvent = "recent\x00"

// addRecent adds a click on each recent item to the events of each user. The
// clicks are later than all other events, so they have their full weight. The
// order of the items has no effect.
func (r *Reader) addRecent(users []recsys.UserState, recent []string) {
	click := r.manifest.Interest.ClickType()
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
		now = now.Add(time.Microsecond) // precision of event times
		for _, item := range recent {
			u.Events = append(u.Events, recsys.Event{
				EventID: recentEvent + item, UserID: u.ID, ItemID: item, EventType: click, OccurredAt: now,
			})
		}
	}
}

// Load reads the items that Contains and Fold need, in at most one round trip, and
// returns the number of users that are loaded, at least one. It is less than all
// if their items together exceed the limit of the cache. Loaded items stay cached
// until the next Load.
func (r *Reader) Load(ctx context.Context, users []recsys.UserState) (int, error) {
	cache := r.folder.cache
	cache.startRound()
	var missing missingItems
	n := 0
	for ; n < len(users); n++ {
		before := len(missing.ids)
		refold := false
		for _, e := range users[n].Events {
			if !recsys.IsImpression(e.EventType) {
				r.folder.collect(&missing, one(e.ItemID))
				refold = refold || r.hasWeight(e)
			}
		}
		if refold {
			r.folder.collect(&missing, slices.Values(users[n].History.Items))
		}
		if n > 0 && cache.full() {
			missing.ids = missing.ids[:before]
			break
		}
	}
	return n, r.folder.read(ctx, missing.ids)
}

// Contains reports whether the version contains an item, which must be loaded.
func (r *Reader) Contains(itemID string) bool { return r.folder.vector(itemID) != nil }

// Fold returns the state of a user, who must be loaded. It ignores impressions,
// and events on items that the version does not contain. Without an event with
// weight, the vector is the stored one. With ErrNoSolution the state is complete,
// except that its vector is the stored one.
//
// It is pure and safe for concurrent use.
func (r *Reader) Fold(u recsys.UserState) (State, error) {
	st := State{UserID: u.ID, History: u.History, Vector: u.Vector, NotFolded: u.NotFolded, trained: u.Vector != nil, folded: true}
	fresh := make([]recsys.Event, 0, len(u.Events))
	for _, e := range u.Events {
		if !recsys.IsImpression(e.EventType) && r.Contains(e.ItemID) {
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
	if !slices.ContainsFunc(fresh, r.hasWeight) {
		return st, nil
	}
	vector, err := r.folder.solve(st.History)
	if err != nil {
		return st, err
	}
	st.Vector = vector
	return st, nil
}

// hasWeight reports whether an event adds or takes back interest under the version's
// settings.
func (r *Reader) hasWeight(e recsys.Event) bool {
	return r.manifest.Interest.Weight(e.EventType, e.Value) != 0
}
