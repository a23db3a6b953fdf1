package importer

import (
	"cmp"
	"context"
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

	// Compared is the last row that was compared, if the file ends before the earlier
	// import does, between two of its checkpoints. Later rows are written again, with
	// the event ids of the earlier import, so that they count once too.
	Compared int64 `json:"compared,omitempty"`
}

// continuation finds the longest earlier import that a log continues, while the
// log is read.
type continuation struct {
	ends map[int64][]Record // by the row at which to compare
	next []int64            // these rows, in order

	found []Continued
	fixed bool   // found is known before the file is read
	of    int64  // rows of the earlier import that the file is the beginning of
	cut   string // file of an earlier import that ended inside a row
}

// continuingAgain returns the continuation of a file that was imported before.
func continuingAgain(found []Continued) *continuation {
	c := &continuation{found: found, fixed: true}
	if len(found) > 0 {
		last := found[len(found)-1]
		c.next = []int64{cmp.Or(last.Compared, last.Rows)}
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
		if !e.comparable(r) || e.NoTime > 0 && e.Rows < minUntimed {
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

// comparable reports whether the rows of a file can be those of an import.
func (r Record) comparable(file Record) bool {
	return r.SHA256 != file.SHA256 && r.Prefix != "" && r.Complete && r.Until == nil && r.sameEvents(file)
}

// maxUncompared is the share of a file's rows that may follow the last checkpoint of an
// earlier import, if the file is to be the beginning of it.
const maxUncompared = 0.01

// beginning returns the continuation of a file that is the beginning of an earlier
// import, or nil: an older export of a log that was imported after a newer one. r is the
// record of the file after it was read.
func beginning(r Record, earlier []Record) *continuation {
	if r.Kind != KindEvents || r.Columns["id"] != "" || r.Reading["ids"] != "" || r.NoTime > 0 && r.Rows < minUntimed {
		return nil
	}
	var compared int64
	var best Record
	for _, e := range earlier {
		if e.Rows <= r.Rows || !e.comparable(r) {
			continue
		}
		row, want := e.Checkpoints.At(r.Rows)
		if row <= compared || float64(r.Rows-row) > maxUncompared*float64(r.Rows) {
			continue
		}
		if at, got := r.Checkpoints.At(row); at == row && got == want {
			compared, best = row, e
		}
	}
	if compared == 0 {
		return nil
	}
	var found []Continued
	for _, part := range append(slices.Clone(best.Continues), Continued{SHA256: best.SHA256, File: best.File, Rows: best.Rows}) {
		part.Compared, part.Rows = 0, min(part.Rows, r.Rows)
		if found = append(found, part); part.Rows == r.Rows {
			break
		}
	}
	if compared < r.Rows {
		found[len(found)-1].Compared = compared
	}
	c := continuingAgain(found)
	c.of = best.Rows
	return c
}

// shorten reads the file again if it is the beginning of an earlier import.
func (f *fileImport) shorten(ctx context.Context) error {
	if f.continues.fixed || f.continues.rows() == f.result.Rows {
		return nil
	}
	r := f.record
	r.Rows, r.NoTime, r.Checkpoints = f.result.Rows, f.result.NoTime, f.tally.Checkpoints()
	c := beginning(r, f.earlier)
	if c == nil {
		return nil
	}
	if err := f.open(); err != nil {
		return err
	}
	defer f.source.Close()
	f.continues = c
	if err := f.read(ctx); err != nil {
		return err
	}
	return f.in.Unchanged()
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
	c.found, c.cut = append(slices.Clone(e.Continues), Continued{SHA256: e.SHA256, File: e.File, Rows: row}), cut
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

// again reports whether a row is written again, with the id of the earlier import.
func (c *continuation) again(row int64) bool {
	return len(c.found) > 0 && c.found[len(c.found)-1].Compared > 0 && row <= c.rows()
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
	if c.of > 0 {
		return fmt.Sprintf("is the beginning of %s: its %d rows are the first of the %d that are imported already, and count once", last.File, last.Rows, c.of)
	}
	return fmt.Sprintf("continues %s: its first %d rows are imported already and count once", last.File, last.Rows)
}
