package embeddings

import (
	"strings"

	"github.com/recflow/recflow/internal/recsys"
)

// Overrides in item_state apply on top of the version: to the displayed fields,
// the availability, and the categories and tags that filters match
// (docs/decisions/0018-overrides.md).

// withOverrides joins the overrides of items i.
const withOverrides = "LEFT JOIN recflow.item_state st ON st.item_id = i.item_id"

// overriddenAvailable is the override of the availability: that of an operator, else
// that of the catalog, else null.
const overriddenAvailable = "coalesce(st.available, st.catalog_available)"

// itemAvailable is whether an item may be recommended, after withOverrides.
const itemAvailable = "coalesce(st.available, st.catalog_available, i.available)"

// itemColumns selects the displayed fields of an item, after withOverrides.
const itemColumns = `
	i.item_id,
	coalesce(st.title, i.title, ''),
	coalesce(st.category, i.category, ''),
	coalesce(st.tags, i.tags)`

// filters returns the condition on items i, after withOverrides. Besides the
// deciding conditions it adds redundant ones that let the planner use the
// indexes of the version and of item_state.
func (b *builder) filters(q recsys.Query) string {
	conditions := []string{itemAvailable}
	if q.Category != "" {
		c := b.arg(q.Category)
		conditions = append(conditions,
			"(i.category = "+c+" OR i.item_id = ANY (ARRAY(SELECT o.item_id FROM recflow.item_state o WHERE o.category = "+c+")))",
			"coalesce(st.category, i.category) = "+c)
	}
	if len(q.Tags) > 0 {
		t := b.arg(q.Tags)
		conditions = append(conditions,
			"(i.tags @> "+t+" OR i.item_id = ANY (ARRAY(SELECT o.item_id FROM recflow.item_state o WHERE o.tags @> "+t+")))",
			"coalesce(st.tags, i.tags) @> "+t)
	}
	return b.without(conditions, q)
}

// walkFilters is filters for the scan of the graph, without a join: it looks up
// the overrides of each row that the scan visits, which are few.
func (b *builder) walkFilters(q recsys.Query) string {
	overrides := func(override, column string) string {
		return "coalesce((SELECT " + override + " FROM recflow.item_state st WHERE st.item_id = i.item_id), i." + column + ")"
	}
	conditions := []string{overrides(overriddenAvailable, "available")}
	if q.Category != "" {
		conditions = append(conditions, overrides("st.category", "category")+" = "+b.arg(q.Category))
	}
	if len(q.Tags) > 0 {
		conditions = append(conditions, overrides("st.tags", "tags")+" @> "+b.arg(q.Tags))
	}
	return b.without(conditions, q)
}

func (b *builder) without(conditions []string, q recsys.Query) string {
	if len(q.Exclude) > 0 {
		conditions = append(conditions, "i.item_id <> ALL ("+b.arg(q.Exclude)+")")
	}
	return strings.Join(conditions, " AND ")
}
