package mapping

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// IDs reads the ids of users and items, and counts their forms.
type IDs struct {
	mapping *Mapping
	floats  [2]int64 // whole floats, by field
	others  [2]int64 // all others
	rounded [2]int64 // of them, such as 1.2E+12
}

// read returns the id of the user or the item in a cell.
func (d *IDs) read(f Field, c tabular.Cell) (id, why string) {
	id = c.String()
	if id == "" {
		return "", ""
	}
	if recsys.MissingWord(id) {
		return "", fmt.Sprintf("the %s is %q, which stands for a missing value", definitions[f].name, id)
	}
	digits, float := recsys.WholeFloat(id)
	switch {
	case float:
		d.floats[f]++
	default:
		d.others[f]++
		if isRounded(id) {
			d.rounded[f]++
		}
	}
	if d.mapping.whole[f] {
		return digits, ""
	}
	return id, ""
}

// isRounded reports whether an id is a number in the notation of a spreadsheet
// that has rounded it, such as 1.23457E+12.
func isRounded(id string) bool {
	i := strings.IndexByte(id, '+')
	if i < 2 || i == len(id)-1 || id[i-1] != 'E' && id[i-1] != 'e' || strings.Trim(id[i+1:], "0123456789") != "" {
		return false
	}
	return strings.Trim(id[:i-1], "0123456789.,-") == ""
}

// Check returns an error if the ids that were mapped leave a choice of how to
// read them. It is called after the last row.
func (d *IDs) Check(s Sample) error {
	for f := User; f <= Item; f++ {
		if d.mapping.IDFormat != "" {
			continue
		}
		all := d.floats[f] + d.others[f]
		column := ""
		if c := d.mapping.columns[f]; c >= 0 {
			column = s.Names[c]
		}
		switch {
		case d.rounded[f] > 0:
			return fmt.Errorf("%d of %d ids of %ss (column %q) are numbers that a spreadsheet has rounded, such as 1.2E+12; export the column with all digits as text, or use --id-format text if these are the ids",
				d.rounded[f], all, definitions[f].name, column)
		case d.floats[f] > 0 && d.others[f] > 0:
			return fmt.Errorf("%d of %d ids of %ss (column %q) end in .0; use --id-format integer to read 101.0 as 101, or --id-format text to keep them as they are written",
				d.floats[f], all, definitions[f].name, column)
		}
	}
	return nil
}

// Reading returns the decisions that change what the rows of a file mean, besides
// the columns, for the record of the import.
func (m *Mapping) Reading() map[string]string {
	r := map[string]string{}
	for f := User; f <= Item; f++ {
		if m.whole[f] {
			r["whole_"+definitions[f].name+"s"] = "true"
		}
	}
	if m.only {
		r["only"] = "types"
	}
	if len(m.Types) > 0 {
		text, err := json.Marshal(m.Types)
		if err != nil {
			panic(err) // a map of texts
		}
		r["types"] = string(text)
	}
	return r
}
