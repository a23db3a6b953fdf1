package importer

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/recflow/recflow/internal/importer/tabular"
)

// spill groups encoded rows by partition (a day) until the whole file has been
// read. It uses at most budget bytes of memory; the rest goes to one anonymous
// temporary file, largest partitions first, which avoids many small writes. A
// chunk contains whole rows.
type spill struct {
	dir    string
	budget int // bytes of memory

	parts map[int32]*partition
	used  int
	file  *os.File
	end   int64 // end of the file
}

type partition struct {
	key    int32
	rows   int64
	buf    []byte
	chunks []chunk
}

// chunk is a part of the temporary file.
type chunk struct {
	at   int64
	size int
}

// maxChunk limits the memory of a reader of a partition, in bytes.
const maxChunk = 4 << 20

func newSpill(dir string, budget int) *spill {
	return &spill{dir: dir, budget: budget, parts: map[int32]*partition{}}
}

// add appends a row to a partition; encode appends it to its argument.
func (s *spill) add(key int32, encode func([]byte) []byte) error {
	p := s.parts[key]
	if p == nil {
		p = &partition{key: key}
		s.parts[key] = p
		s.used += 256 // overhead of a partition
	}
	before := cap(p.buf)
	p.buf = encode(p.buf)
	p.rows++
	s.used += cap(p.buf) - before
	if len(p.buf) >= maxChunk {
		return s.flush(p)
	}
	if s.used > s.budget {
		return s.shrink()
	}
	return nil
}

// shrink writes the largest partitions to the file until half of the budget is
// free.
func (s *spill) shrink() error {
	largest := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		if len(p.buf) > 0 {
			largest = append(largest, p)
		}
	}
	slices.SortFunc(largest, func(a, b *partition) int {
		return cmp.Or(cmp.Compare(cap(b.buf), cap(a.buf)), cmp.Compare(a.key, b.key))
	})
	for _, p := range largest {
		if s.used <= s.budget/2 {
			break
		}
		if err := s.flush(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *spill) flush(p *partition) error {
	if s.file == nil {
		f, err := tabular.TempFile(s.dir)
		if err != nil {
			return fmt.Errorf("create a temporary file: %w", err)
		}
		s.file = f
	}
	if _, err := s.file.WriteAt(p.buf, s.end); err != nil {
		return fmt.Errorf("write to a temporary file: %w", err)
	}
	p.chunks = append(p.chunks, chunk{s.end, len(p.buf)})
	s.end += int64(len(p.buf))
	s.used -= cap(p.buf)
	p.buf = nil
	return nil
}

// partitions returns the keys of the partitions, in order.
func (s *spill) partitions() []*partition {
	out := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *partition) int { return cmp.Compare(a.key, b.key) })
	return out
}

// read calls each with the rows of a partition, in insertion order, one chunk
// at a time. Different partitions may be read concurrently.
func (s *spill) read(p *partition, each func(rows string) error) error {
	for _, c := range p.chunks {
		b := make([]byte, c.size)
		if _, err := s.file.ReadAt(b, c.at); err != nil {
			return fmt.Errorf("read from a temporary file: %w", err)
		}
		if err := each(string(b)); err != nil {
			return err
		}
	}
	if len(p.buf) == 0 {
		return nil
	}
	return each(string(p.buf))
}

// clear discards all rows.
func (s *spill) clear() { s.parts, s.used = map[int32]*partition{}, 0 }

func (s *spill) close() {
	if s != nil && s.file != nil {
		s.file.Close()
	}
}
