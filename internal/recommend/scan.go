package recommend

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/recflow/recflow/internal/recsys"
)

const (
	// tile is how many queries go through the matrix together: few enough for
	// their vectors to stay in the fastest cache, and for a deadline between two
	// tiles to come in time.
	tile = 32

	// blockBytes is the part of the matrix that all queries of a tile are compared
	// with before the next one.
	blockBytes = 32 << 10

	// fewestRows is how many rows are worth a goroutine.
	fewestRows = 4096
)

// nearest is embeddings.Store.NearestEach from memory, for queries without
// filters: the same items and scores as an exact search. It emits in the order
// of the queries.
func (m *matrix) nearest(ctx context.Context, queries []recsys.Query, emit func(i int, hits []recsys.Hit)) error {
	for _, q := range queries {
		if len(q.Vector) != m.dimension {
			return fmt.Errorf("the query has %d dimensions, the version %d", len(q.Vector), m.dimension)
		}
	}
	for at := 0; at < len(queries); at += tile {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := queries[at:min(at+tile, len(queries))]
		for i, best := range m.scan(part) {
			emit(at+i, m.hits(part[i], best))
		}
	}
	return nil
}

// hits ranks the candidates of a query and keeps the best.
func (m *matrix) hits(q recsys.Query, best []candidate) []recsys.Hit {
	hits := make([]recsys.Hit, len(best))
	for i, c := range best {
		hits[i].ItemID, hits[i].Available = m.ids[c.row], true
		hits[i].Score = recsys.Score(q.Vector, m.row(int(c.row)))
	}
	return recsys.Best(hits, q.K)
}

// scan compares the queries with every row, on all cores, and returns the
// candidates of each.
func (m *matrix) scan(queries []recsys.Query) [][]candidate {
	excluded := make([]map[int32]bool, len(queries))
	for i, q := range queries {
		excluded[i] = m.rowsOf(q.Exclude)
	}
	n := len(m.ids)
	workers := max(1, min(runtime.GOMAXPROCS(0), n/fewestRows))
	shares := make([][]*top, workers)
	var group sync.WaitGroup
	for w := range workers {
		tops := make([]*top, len(queries))
		for i, q := range queries {
			tops[i] = &top{m: m, query: q.Vector, excluded: excluded[i], size: q.K + recsys.Spare}
		}
		shares[w] = tops
		group.Go(func() { m.scanRows(tops, n*w/workers, n*(w+1)/workers) })
	}
	group.Wait()
	out := make([][]candidate, len(queries))
	for i := range out {
		all := shares[0][i]
		for _, tops := range shares[1:] {
			for _, c := range tops[i].heap {
				all.offer(c)
			}
		}
		out[i] = all.heap
	}
	return out
}

func (m *matrix) rowsOf(ids []string) map[int32]bool {
	rows := make(map[int32]bool, len(ids))
	for _, id := range ids {
		if row, known := m.rows[id]; known {
			rows[row] = true
		}
	}
	return rows
}

// scanRows compares the rows from..to, block by block, with four queries at a
// time.
func (m *matrix) scanRows(tops []*top, from, to int) {
	block := max(1, blockBytes/(4*m.dimension))
	for ; from < to; from += block {
		end := min(from+block, to)
		rest := tops
		for ; len(rest) >= 4; rest = rest[4:] {
			a, b, c, d := rest[0], rest[1], rest[2], rest[3]
			for n := from; n < end; n++ {
				w, x, y, z := products(m.row(n), a.query, b.query, c.query, d.query)
				a.meet(w, n)
				b.meet(x, n)
				c.meet(y, n)
				d.meet(z, n)
			}
		}
		for _, t := range rest {
			for n := from; n < end; n++ {
				t.meet(product(m.row(n), t.query), n)
			}
		}
	}
}

// product is the inner product in float32, summed in four parts that do not wait
// for each other.
func product(row, q []float32) float32 {
	q = q[:len(row)]
	var w, x, y, z float32
	for len(row) >= 4 && len(q) >= 4 {
		w += row[0] * q[0]
		x += row[1] * q[1]
		y += row[2] * q[2]
		z += row[3] * q[3]
		row, q = row[4:], q[4:]
	}
	for i, r := range row {
		w += r * q[i]
	}
	return (w + x) + (y + z)
}

// products is the inner products of a row with four queries.
func products(row, a, b, c, d []float32) (w, x, y, z float32) {
	a, b, c, d = a[:len(row)], b[:len(row)], c[:len(row)], d[:len(row)]
	for i, r := range row {
		w += r * a[i]
		x += r * b[i]
		y += r * c[i]
		z += r * d[i]
	}
	return w, x, y, z
}
