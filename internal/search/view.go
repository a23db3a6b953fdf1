package search

import (
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// View is an Index with overrides applied. It never changes and is safe for
// concurrent use.
type View struct {
	*Index
	available         bitmap
	items             map[uint32]recsys.Item // with overrides
	byCategory, byTag map[string]posting     // those that differ from the index
}

// View returns a view with overrides by item id. It ignores overrides of unknown
// items. Its time and memory are proportional to the number of overrides and of
// items with the categories and tags that they change.
func (x *Index) View(overrides map[string]recsys.Override) *View {
	v := &View{Index: x, available: x.available, items: make(map[uint32]recsys.Item)}
	categories, tags := edits{}, edits{}
	for id, o := range overrides {
		at, known := x.position(id)
		if !known {
			continue
		}
		was := x.item(at)
		now := o.Apply(was)
		v.items[at] = now
		if was.Category != now.Category {
			categories.move(at, []string{was.Category}, []string{now.Category})
		}
		tags.move(at, was.Tags, now.Tags)
	}
	if len(v.items) > 0 {
		v.available = slices.Clone(x.available)
		for at, item := range v.items {
			v.available.set(at, item.Available)
		}
	}
	v.byCategory = categories.apply(&x.categories, x.byCategory, x.Len())
	v.byTag = tags.apply(&x.tags, x.byTag, x.Len())
	return v
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
	if item, overridden := v.items[at]; overridden {
		return item
	}
	return v.Index.item(at)
}

// filters returns the postings of the query's filters.
func (v *View) filters(q recsys.Query) []posting {
	var out []posting
	if q.Category != "" {
		out = append(out, lookUp(q.Category, v.byCategory, &v.categories, v.Index.byCategory))
	}
	for _, tag := range q.Tags {
		out = append(out, lookUp(tag, v.byTag, &v.tags, v.Index.byTag))
	}
	return out
}

func lookUp(name string, changed map[string]posting, t *terms, postings []posting) posting {
	if p, found := changed[name]; found {
		return p
	}
	if number, found := t.numbers[name]; found {
		return postings[number]
	}
	return posting{}
}

// edits is the changes of postings by overrides, by category or tag.
type edits map[string]*edit

type edit struct {
	removed map[uint32]bool
	added   []uint32
}

// move removes an item from some values and adds it to others.
func (e edits) move(at uint32, from, to []string) {
	for _, name := range from {
		if !slices.Contains(to, name) {
			e.get(name).removed[at] = true
		}
	}
	for i, name := range to {
		if !slices.Contains(from, name) && !slices.Contains(to[:i], name) {
			change := e.get(name)
			change.added = append(change.added, at)
		}
	}
}

func (e edits) get(name string) *edit {
	change := e[name]
	if change == nil {
		change = &edit{removed: map[uint32]bool{}}
		e[name] = change
	}
	return change
}

func (e edits) apply(t *terms, postings []posting, total int) map[string]posting {
	out := make(map[string]posting, len(e))
	for name, change := range e {
		out[name] = lookUp(name, nil, t, postings).edit(change.removed, change.added, total)
	}
	return out
}
