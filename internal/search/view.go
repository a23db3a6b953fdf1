package search

import (
	"slices"
	"sync"

	"github.com/recflow/recflow/internal/recsys"
)

// View is an Index with overrides applied. It never changes and is safe for
// concurrent use.
type View struct {
	*Index
	available        bitmap
	items            tree[recsys.Item] // by position, those with overrides
	categories, tags changedTerms
}

// View returns a view without overrides.
func (x *Index) View() *View {
	return &View{Index: x, available: x.available, categories: newChangedTerms(&x.categories, x.byCategory), tags: newChangedTerms(&x.tags, x.byTag)}
}

// With returns a view with some overrides, by item id, replaced. An override without
// values removes that of the item; overrides of unknown items are ignored. The time
// it takes depends on the number of these overrides and not on that of the view. If
// the availability, a category or a tag of an item changes, it also copies one bit
// for each item of the index.
func (v *View) With(overrides map[string]recsys.Override) *View {
	next := *v
	e := &edit{}
	categories, tags, available := changes{}, changes{}, map[uint32]bool{}
	for id, o := range overrides {
		at, known := v.position(id)
		if !known {
			continue
		}
		was, now := v.item(at), o.Apply(v.Index.item(at))
		if o.IsZero() {
			next.items = next.items.put(at, nil, e)
		} else {
			next.items = next.items.put(at, &now, e)
		}
		if was.Available != now.Available {
			available[at] = now.Available
		}
		if was.Category != now.Category {
			categories.move(at, categoryOf(was), categoryOf(now))
		}
		tags.move(at, was.Tags, now.Tags)
	}
	if len(available) > 0 {
		next.available = slices.Clone(v.available)
		for at, to := range available {
			next.available.set(at, to)
		}
	}
	next.categories = v.categories.with(categories, e, v.Len())
	next.tags = v.tags.with(tags, e, v.Len())
	return &next
}

// categoryOf returns the category of an item as a set.
func categoryOf(item recsys.Item) []string {
	if item.Category == "" {
		return nil
	}
	return []string{item.Category}
}

// Item returns an item with its overrides, and its vector, which must not be
// changed. It returns false if there is no such item.
func (v *View) Item(id string) (item recsys.Item, vector []float32, known bool) {
	at, known := v.position(id)
	if !known {
		return recsys.Item{}, nil, false
	}
	return v.item(at), v.vector(at), true
}

// item returns an item with its override.
func (v *View) item(at uint32) recsys.Item {
	if item := v.items.get(at); item != nil {
		return *item
	}
	return v.Index.item(at)
}

// filters returns the postings of the query's filters.
func (v *View) filters(q recsys.Query) []posting {
	var out []posting
	if q.Category != "" {
		out = append(out, v.categories.posting(q.Category))
	}
	for _, tag := range q.Tags {
		out = append(out, v.tags.posting(tag))
	}
	return out
}

// changedTerms is the postings of a metadata field with the changes by overrides.
type changedTerms struct {
	terms    *terms
	postings []posting     // of terms
	added    *addedTerms   // values that the index does not have
	changed  tree[posting] // by number, those that differ from the index
}

func newChangedTerms(t *terms, postings []posting) changedTerms {
	return changedTerms{terms: t, postings: postings, added: &addedTerms{first: uint32(len(t.names)), numbers: map[string]uint32{}}}
}

// posting returns the items with a value.
func (c changedTerms) posting(name string) posting {
	number, found := c.terms.numbers[name]
	if !found {
		number, found = c.added.number(name)
	}
	if p := c.changed.get(number); found && p != nil {
		return *p
	}
	if !found || int(number) >= len(c.postings) {
		return posting{}
	}
	return c.postings[number]
}

func (c changedTerms) with(edits changes, e *edit, total int) changedTerms {
	for name, change := range edits {
		p := c.posting(name).edit(change.removed, change.added, total)
		number, found := c.terms.numbers[name]
		if !found {
			number = c.added.add(name)
		}
		c.changed = c.changed.put(number, &p, e)
	}
	return c
}

// addedTerms numbers the values that only overrides have, after those of the index.
// All views of an index share it. A value stays when no item has it any more.
type addedTerms struct {
	first   uint32
	mu      sync.RWMutex
	numbers map[string]uint32
}

func (a *addedTerms) number(name string) (number uint32, found bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	number, found = a.numbers[name]
	return number, found
}

func (a *addedTerms) add(name string) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	number, found := a.numbers[name]
	if !found {
		number = a.first + uint32(len(a.numbers))
		a.numbers[name] = number
	}
	return number
}

// changes is the changes of postings by overrides, by category or tag.
type changes map[string]*change

type change struct{ removed, added map[uint32]bool }

// move removes an item from some values and adds it to others.
func (c changes) move(at uint32, from, to []string) {
	for _, name := range from {
		if !slices.Contains(to, name) {
			c.get(name).removed[at] = true
		}
	}
	for _, name := range to {
		if !slices.Contains(from, name) {
			c.get(name).added[at] = true
		}
	}
}

func (c changes) get(name string) *change {
	if c[name] == nil {
		c[name] = &change{map[uint32]bool{}, map[uint32]bool{}}
	}
	return c[name]
}
