package embeddings

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/pgvector/pgvector-go"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

// Limits of a search through the graph; docs/decisions/0010-search-in-postgres.md
// has the measurements.
const (
	maxEF = 1000 // pgvector's own limit

	// few is the number of eligible rows, at 64 dimensions, up to which a
	// filtered query compares them one by one: about 16 ms on an idle core. A
	// scan of the graph costs as much if the filter excludes the neighborhood
	// of the query, and then also misses some of the other rows.
	few = 200_000

	// rare is the share of eligible rows below which the graph is not used.
	rare = 0.1
)

// plan is the method and the limits of a search.
type plan struct {
	skip       bool
	exact      bool
	ef         int // hnsw.ef_search
	candidates int // rows taken from the graph, to be ranked by their exact distance
}

// plan estimates how many rows are eligible: few are compared one by one, many
// are searched through the graph. The graph is of the inner product, so a search for
// similar items with another measure compares all of them.
func (s *Store) plan(ctx context.Context, v recsys.Version, q recsys.Query) (plan, error) {
	if q.Exact || q.Beta > 0 || v.Search.Method != recsys.HNSW || q.K+len(q.Exclude) > maxEF*3/4 {
		return plan{exact: true}, nil
	}
	eligible := v.Items
	if q.Category != "" || len(q.Tags) > 0 {
		facets, err := s.facets(ctx, v)
		if err != nil {
			return plan{}, err
		}
		eligible = facets.estimate(q)
	}
	return planFor(v, q, eligible), nil
}

func planFor(v recsys.Version, q recsys.Query, eligible int64) plan {
	share := float64(eligible) / float64(max(v.Items, 1))
	filtered := q.Category != "" || len(q.Tags) > 0
	if filtered && (share < rare || eligible <= fewRows(v.Dimension)) {
		return plan{exact: true}
	}
	return walkPlan(v, q, eligible)
}

// walkPlan sizes a scan of the graph in which this many rows are eligible.
func walkPlan(v recsys.Version, q recsys.Query, eligible int64) plan {
	share := float64(eligible) / float64(max(v.Items, 1))
	// Excluded items, such as a user's own, are among the nearest. The scan
	// continues until it has found enough others. With a filter it needs more
	// candidates to keep its recall.
	candidates := q.K + max(q.K/2, 32)
	if share < 1 {
		candidates = max(candidates, v.Search.EFSearch)
	}
	ef := int(math.Ceil(float64(candidates) / share))
	return plan{ef: min(max(ef, v.Search.EFSearch), maxEF), candidates: candidates}
}

// fewRows scales few to the dimension: twice the values cost twice the time.
func fewRows(dimension int) int64 {
	return int64(few) * 64 / int64(max(dimension, 64))
}

// settings fixes the plan of the following statements in the transaction. The
// planner cannot estimate the cost and the recall of a graph scan, so for the
// graph every alternative is disabled. For an exact result the statement itself
// prevents the use of the graph, and the planner is not restricted.
func (p plan) settings() (string, []any) {
	onOff := "on"
	if !p.exact {
		onOff = "off"
	}
	return `SELECT
		set_config('enable_seqscan', $1, true),
		set_config('enable_bitmapscan', $1, true),
		set_config('enable_sort', $1, true),
		set_config('hnsw.iterative_scan', 'relaxed_order', true),
		set_config('hnsw.ef_search', $2, true)`,
		[]any{onOff, strconv.Itoa(max(p.ef, 1))}
}

// statement returns the search for candidates; scoreHits ranks them. In the
// exact form, + 0 turns the distance into an expression that no index supports,
// each row is measured once, and the sorted rows are narrow: the other columns
// are read for the result only (docs/decisions/0010-search-in-postgres.md).
func (p plan) statement(v recsys.Version, q recsys.Query) (string, []any) {
	b := builder{args: []any{pgvector.NewVector(q.Vector)}}
	schema := postgres.SchemaOf(v.ID)
	if p.exact {
		return fmt.Sprintf(`
			WITH near AS MATERIALIZED (
				SELECT
					i.item_id,
					%[6]s AS distance
				FROM %[1]s.items i
				%[2]s
				WHERE %[3]s
				ORDER BY distance, i.item_id
				LIMIT %[4]s
			)
			SELECT
				%[5]s,
				i.embedding
			FROM near
			JOIN %[1]s.items i ON i.item_id = near.item_id
			%[2]s
			ORDER BY near.distance, near.item_id
			LIMIT %[4]s`, schema, withOverrides, b.filters(q), b.arg(q.K+recsys.Spare), itemColumns, b.exactDistance(q)), b.args
	}
	distance := "i.embedding <#> $1"
	if v.Search.HalfVector {
		distance = fmt.Sprintf("i.embedding::halfvec(%[1]d) <#> $1::vector(%[1]d)::halfvec(%[1]d)", v.Dimension)
	}
	return fmt.Sprintf(`
		WITH near AS MATERIALIZED (
			SELECT
				i.item_id,
				i.title,
				i.category,
				i.tags,
				i.embedding,
				i.embedding <#> $1 AS distance
			FROM %s.items i
			WHERE %s
			ORDER BY %s
			LIMIT %s
		)
		SELECT
			%s,
			i.embedding
		FROM (SELECT * FROM near ORDER BY distance, item_id LIMIT %s) i
		%s
		ORDER BY i.distance, i.item_id`,
		schema, b.walkFilters(q), distance, b.arg(p.candidates), itemColumns, b.arg(q.K+recsys.Spare), withOverrides), b.args
}

// exactDistance is the negative score of an item, in an expression that no index
// supports. A vector of zeros has the score 0.
func (b *builder) exactDistance(q recsys.Query) string {
	if q.Beta == 0 {
		return "(i.embedding <#> $1) + 0"
	}
	return fmt.Sprintf("coalesce((i.embedding <#> $1) / nullif(power(vector_norm(i.embedding), %s), 0), 0)", b.arg(q.Beta))
}

// builder collects the arguments of a statement.
type builder struct{ args []any }

// arg adds an argument and returns its placeholder.
func (b *builder) arg(value any) string {
	b.args = append(b.args, value)
	return "$" + strconv.Itoa(len(b.args))
}
