package tabular

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Constant is a column with the same value in every row of a file, such as
// event_type of a folder event_type=click. An empty value is absent.
type Constant struct{ Name, Value string }

// withConstants returns the digest of a file that has constants: the same bytes in
// another folder are other rows.
func withConstants(sha string, constants []Constant) string {
	if len(constants) == 0 {
		return sha
	}
	h := sha256.New()
	h.Write([]byte(sha))
	for _, c := range constants {
		h.Write([]byte("\n" + c.Name + "=" + c.Value))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// constantSource adds constants to a source, before its own columns: those may
// grow.
type constantSource struct {
	Source
	constants []Constant
	names     []string
	bound     []Column // of the constants
}

// addConstants adds the constants that a source does not have as a column.
func addConstants(s Source, constants []Constant) Source {
	own := s.Columns()
	c := &constantSource{Source: s}
	for _, x := range constants {
		if !slices.Contains(own, x.Name) {
			c.constants = append(c.constants, x)
			c.names = append(c.names, x.Name)
		}
	}
	if len(c.constants) == 0 {
		return s
	}
	return c
}

func (s *constantSource) Columns() []string {
	return append(slices.Clone(s.names), s.Source.Columns()...)
}

func (s *constantSource) Bind(columns []Column) error {
	var inner []Column
	for _, c := range columns {
		switch {
		case c.Index >= len(s.names):
			c.Index -= len(s.names)
			inner = append(inner, c)
		case c.Index < 0:
			inner = append(inner, c)
		default:
			s.bound = append(s.bound, c)
		}
	}
	return s.Source.Bind(inner)
}

func (s *constantSource) Next(r *Record) error {
	if err := s.Source.Next(r); err != nil {
		return err
	}
	for _, b := range s.bound {
		c := &r.Cells[b.Cell]
		if *c = (Cell{}); s.constants[b.Index].Value != "" {
			c.Kind, c.Text = CellText, s.constants[b.Index].Value
		}
	}
	return nil
}

func (s *constantSource) Dialect() []string {
	d := s.Source.Dialect()
	for _, c := range s.constants {
		d = append(d, "folder "+c.Name+"="+c.Value)
	}
	return d
}
