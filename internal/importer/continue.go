package importer

import (
	"fmt"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// minUntimed is the number of rows from which on a log without times is taken for
// the beginning of another: shorter ones may be the same by chance.
const minUntimed = 100

// Continued is an earlier import whose rows are the first rows of a file. Their
// events are those of the earlier import, with its event ids.
type Continued struct {
	SHA256 string `json:"sha256"`
	File   string `json:"file"`
	Rows   int64  `json:"rows"` // rows 1 to Rows, less those of the entry before
}

// continuation finds the longest earlier import that a log continues, while the
// log is read.
type continuation struct {
	ends map[int64][]Record // by the row at which to compare
	next []int64            // these rows, in order

	found []Continued
	fixed bool   // found is known before the file is read
	cut   string // file of an earlier import that ended inside a row
}

// continuingAgain returns the continuation of a file that was imported before.
func continuingAgain(found []Continued) *continuation {
	c := &continuation{found: found, fixed: true}
	if len(found) > 0 {
		c.next = []int64{c.rows()}
	}
	return c
}

// continuing returns the continuation of a file with this record by the earlier
// imports of files with the same mapping.
func continuing(r Record, earlier []Record) *continuation {
	c := &continuation{ends: map[int64][]Record{}}
	if r.Kind != KindEvents || r.Columns["id"] != "" || r.Reading["ids"] != "" {
		return c
	}
	for _, e := range earlier {
		if e.SHA256 == r.SHA256 || e.Prefix == "" || !e.Complete || e.Until != nil || !e.sameEvents(r) || e.NoTime > 0 && e.Rows < minUntimed {
			continue
		}
		c.ends[e.Rows] = append(c.ends[e.Rows], e)
		if e.PrefixButLast != "" && e.Rows > 1 {
			c.ends[e.Rows-1] = append(c.ends[e.Rows-1], e)
		}
	}
	for rows := range c.ends {
		c.next = append(c.next, rows)
	}
	slices.Sort(c.next)
	return c
}

// due reports whether an earlier import may end at a row.
func (c *continuation) due(row int64) bool { return len(c.next) > 0 && c.next[0] == row }

// compare is called after a row that is due, with the digest of all rows so far. It
// reports whether they are those of an earlier import.
func (c *continuation) compare(row int64, prefix string) bool {
	c.next = c.next[1:]
	if c.fixed {
		return true
	}
	matches := func(whole bool) func(Record) bool {
		return func(e Record) bool {
			return whole && e.Rows == row && e.Prefix == prefix || !whole && e.Rows == row+1 && e.PrefixButLast == prefix
		}
	}
	candidates := c.ends[row]
	i, cut := slices.IndexFunc(candidates, matches(true)), ""
	if i < 0 {
		if i = slices.IndexFunc(candidates, matches(false)); i < 0 {
			return false
		}
		cut = candidates[i].File
	}
	e := candidates[i]
	c.found, c.cut = append(slices.Clone(e.Continues), Continued{e.SHA256, e.File, row}), cut
	return true
}

// eventID returns the id of the event in a row without an id.
func (c *continuation) eventID(sha string, row int64) string {
	for _, part := range c.found {
		if row <= part.Rows {
			return recsys.RowEventID(part.SHA256, row)
		}
	}
	return recsys.RowEventID(sha, row)
}

// rows returns how many rows of the file earlier imports have.
func (c *continuation) rows() int64 {
	if len(c.found) == 0 {
		return 0
	}
	return c.found[len(c.found)-1].Rows
}

// text describes the continuation for people.
func (c *continuation) text() string {
	if len(c.found) == 0 {
		return ""
	}
	last := c.found[len(c.found)-1]
	return fmt.Sprintf("continues %s: its first %d rows are imported already and count once", last.File, last.Rows)
}
