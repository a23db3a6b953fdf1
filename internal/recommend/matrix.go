package recommend

import (
	"context"
	"errors"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// matrix is every item vector of a version in memory, and which of the items may
// be listed now.
type matrix struct {
	dimension int
	ids       []string
	rows      map[string]int32
	vectors   []float32 // row after row
	listed    []bool    // as the version says
	available []bool    // as it is, with what is said beside the version
	revision  int64     // of what is said, in available
}

// errTooLarge says that a catalogue does not fit into the bound.
var errTooLarge = errors.New("the items do not fit")

// rowCost is what an item costs in a matrix beside its vector and the bytes of
// its id, of which there are two.
const rowCost = 64

// expectedID is the length of an id that is not known yet.
const expectedID = 16

func matrixSize(v recsys.Version) int64 {
	return v.Items * (4*int64(v.Dimension) + rowCost + expectedID)
}

// readMatrix reads a version's items, if they take at most limit bytes.
func readMatrix(ctx context.Context, data Data, v recsys.Version, limit int64) (*matrix, error) {
	if matrixSize(v) > limit {
		return nil, errTooLarge
	}
	m := &matrix{dimension: v.Dimension, revision: -1, ids: make([]string, 0, v.Items), listed: make([]bool, 0, v.Items)}
	m.vectors = make([]float32, 0, v.Items*int64(v.Dimension))
	m.rows = make(map[string]int32, v.Items)
	size := int64(0)
	err := data.EachItem(ctx, v, func(id string, vector []float32, available bool) error {
		if size += 4*int64(len(vector)) + rowCost + int64(len(id)); size > limit {
			return errTooLarge
		}
		m.rows[id] = int32(len(m.ids))
		m.ids, m.listed, m.vectors = append(m.ids, id), append(m.listed, available), append(m.vectors, vector...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.available = slices.Clone(m.listed)
	return m, nil
}

// vector is an item's vector, nil when the version has none.
func (m *matrix) vector(id string) []float32 {
	row, known := m.rows[id]
	if !known {
		return nil
	}
	return m.row(int(row))
}

func (m *matrix) row(n int) []float32 {
	return m.vectors[n*m.dimension : (n+1)*m.dimension : (n+1)*m.dimension]
}

// say takes over what is said of items beside the version.
func (m *matrix) say(said map[string]bool, revision int64) {
	copy(m.available, m.listed)
	for id, available := range said {
		if row, known := m.rows[id]; known {
			m.available[row] = available
		}
	}
	m.revision = revision
}
