package trainingrun

import (
	"errors"
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"
)

// The methods below read n rows from the current page, which must have them,
// and append them to dst.

// present calls value with the row and the position of each value among the
// next n rows of a flat column, and null for each null.
func (c *column) present(n int, null func(row int), value func(row, i int) error) error {
	next := c.next
	for row := range n {
		if c.def != nil && c.def[row] != c.maxDef {
			if !c.nullable {
				return c.bad(row, errNull)
			}
			null(row)
			continue
		}
		if err := value(row, next); err != nil {
			return c.bad(row, err)
		}
		next++
	}
	c.next = next
	c.rows -= n
	if c.def != nil {
		c.def = c.def[n:]
	}
	return nil
}

// strings appends a null as the empty string.
func (c *column) strings(dst []string, n int, check func(string) error) ([]string, error) {
	if c.def != nil || c.index != nil {
		err := c.present(n, func(int) { dst = append(dst, "") }, func(_, i int) error {
			s, err := c.string(i)
			if err != nil {
				return err
			}
			dst = append(dst, s)
			return check(s)
		})
		return dst, err
	}
	for row := range n { // no nulls, no dictionary: the ids in most files
		s := c.text[c.offsets[c.next+row]:c.offsets[c.next+row+1]]
		if err := check(s); err != nil {
			return dst, c.bad(row, err)
		}
		dst = append(dst, s)
	}
	c.next += n
	c.rows -= n
	return dst, nil
}

func (c *column) bools(dst []bool, n int) ([]bool, error) {
	err := c.present(n, nil, func(_, i int) error {
		dst = append(dst, c.bits[i/8]>>(i%8)&1 == 1)
		return nil
	})
	return dst, err
}

// float64s appends a null as 0 and reports in has, unless it is nil, which rows
// have a value.
func (c *column) float64s(dst []float64, has *[]bool, n int, check func(float64) error) ([]float64, error) {
	add := func(x float64, there bool) {
		dst = append(dst, x)
		if has != nil {
			*has = append(*has, there)
		}
	}
	err := c.present(n, func(int) { add(0, false) }, func(_, i int) error {
		add(c.doubles[i], true)
		return check(c.doubles[i])
	})
	return dst, err
}

// The range of valid times, in microseconds since 1970: the years 1 to 9999.
var (
	earliest = time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC).UnixMicro()
	latest   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
)

// times appends a null as the zero time.
func (c *column) times(dst []time.Time, n int) ([]time.Time, error) {
	err := c.present(n, func(int) { dst = append(dst, time.Time{}) }, func(_, i int) error {
		t := c.ints[i]
		if t < earliest || t >= latest {
			return errors.New("it is not between the years 1 and 9999")
		}
		dst = append(dst, time.UnixMicro(t).UTC())
		return nil
	})
	return dst, err
}

// vectorMemory is the memory of a batch's vectors: the page that they are from,
// which is then retained, or a buffer.
type vectorMemory struct {
	page   parquet.Page
	buffer []float32
}

// reset releases the page of the batch's last use.
func (m *vectorMemory) reset() {
	if m.page != nil {
		parquet.Release(m.page)
		m.page = nil
	}
}

// vectors returns k values per row, k zeros for a null, and reports in has,
// unless it is nil, which rows have a vector.
func (c *column) vectors(m *vectorMemory, has *[]bool, n, k int) ([]float32, error) {
	m.reset()
	if c.uniform(k) {
		return c.uniformVectors(m, has, n, k)
	}
	dst := m.buffer[:0]
	for row := range n {
		if err := c.vectorLevels(row, k); err != nil {
			if !errors.Is(err, errNull) || !c.nullable {
				return nil, c.bad(row, err)
			}
			dst = append(dst, make([]float32, k)...)
			*has = append(*has, false)
			continue
		}
		v := c.floats[c.next : c.next+k]
		c.next += k
		if err := checkVector(v); err != nil {
			return nil, c.bad(row, err)
		}
		dst = append(dst, v...)
		if has != nil {
			*has = append(*has, true)
		}
	}
	c.rows -= n
	m.buffer = dst
	return dst, nil
}

// uniform reports whether all remaining rows of the page are lists of k values,
// the usual case. There are as many zeros among the repetition levels as there
// are rows, so it is enough to check the expected positions.
func (c *column) uniform(k int) bool {
	if c.next > 0 || len(c.rep) != k*c.rows || len(c.floats) != len(c.rep) {
		return c.whole
	}
	for i := 0; i < len(c.rep); i += k {
		if c.rep[i] != 0 {
			return false
		}
	}
	c.whole = true
	return true
}

// uniformVectors returns the values in the page without copying.
func (c *column) uniformVectors(m *vectorMemory, has *[]bool, n, k int) ([]float32, error) {
	values := c.floats[c.next : c.next+n*k : c.next+n*k]
	for row := range n {
		if err := checkVector(values[row*k : (row+1)*k]); err != nil {
			return nil, c.bad(row, err)
		}
		if has != nil {
			*has = append(*has, true)
		}
	}
	c.next += n * k
	c.rows -= n
	m.page = c.page
	parquet.Retain(m.page)
	return values, nil
}

// vectorLevels reads the levels of one row and checks that they are those of k
// values. It returns errNull for a null.
func (c *column) vectorLevels(row, k int) error {
	end := 1
	for end < len(c.rep) && c.rep[end] != 0 {
		end++
	}
	def := c.def[:end]
	c.rep, c.def = c.rep[end:], c.def[end:]
	if end == 1 && def[0] < c.listDef {
		return errNull
	}
	for i, level := range def {
		if level == c.maxDef {
			continue
		}
		if end == 1 && level == c.listDef {
			return fmt.Errorf("it has 0 dimensions, want %d", k)
		}
		return fmt.Errorf("value %d is null", i)
	}
	if end != k {
		return fmt.Errorf("it has %d dimensions, want %d", end, k)
	}
	return nil
}

// lists appends n lists to dst and their elements to flat. A null is a nil
// list.
func lists[T any](c *column, dst [][]T, flat []T, n int, value func(i int) (T, error)) ([][]T, []T, error) {
	pos := 0 // position among the levels
	for row := range n {
		first := len(flat)
		end := pos + 1
		for end < len(c.rep) && c.rep[end] != 0 {
			end++
		}
		if end-pos > c.limit {
			return dst, flat, c.bad(row, fmt.Errorf("it has %d elements; at most %d are accepted", end-pos, c.limit))
		}
		if level := c.def[pos]; end-pos == 1 && level <= c.listDef {
			if level < c.listDef && !c.nullable {
				return dst, flat, c.bad(row, errNull)
			}
			dst = append(dst, nil)
			pos = end
			continue
		}
		for _, level := range c.def[pos:end] {
			if level != c.maxDef {
				return dst, flat, c.bad(row, errors.New("it contains a null"))
			}
			x, err := value(c.next)
			if err != nil {
				return dst, flat, c.bad(row, err)
			}
			flat = append(flat, x)
			c.next++
		}
		pos = end
		// When flat grows it is copied, but earlier lists keep their values.
		dst = append(dst, flat[first:len(flat):len(flat)])
	}
	c.rep, c.def = c.rep[pos:], c.def[pos:]
	c.rows -= n
	return dst, flat, nil
}

func (c *column) stringLists(dst [][]string, flat []string, n int, check func(string) error) ([][]string, []string, error) {
	return lists(c, dst, flat, n, func(i int) (string, error) {
		s, err := c.string(i)
		if err != nil {
			return "", err
		}
		return s, check(s)
	})
}

func (c *column) float32Lists(dst [][]float32, flat []float32, n int) ([][]float32, []float32, error) {
	return lists(c, dst, flat, n, func(i int) (float32, error) {
		return c.floats[i], checkWeight(c.floats[i])
	})
}

// checkHistories checks that every history has a weight for each item and,
// unless it is empty, a reference time.
func checkHistories(b *Users) error {
	for row, items := range b.HistoryItems {
		if n := len(b.HistoryWeights[row]); n != len(items) {
			return &rowError{"history_weights", row, fmt.Errorf("it has %d values for %d items", n, len(items))}
		}
		if len(items) > 0 && b.ReferenceTimes[row].IsZero() {
			return &rowError{"reference_time", row, errors.New("it is null although the history is not empty")}
		}
	}
	return nil
}
