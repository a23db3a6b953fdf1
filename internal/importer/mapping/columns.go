package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Columns names the columns of a file explicitly. The name "none" means that
// the file has no such column.
type Columns struct {
	User, Item, Type, Time, Value, ID string
}

const noColumn = "none"

func (c Columns) of(f Field) string {
	switch f {
	case User:
		return c.User
	case Item:
		return c.Item
	case Type:
		return c.Type
	case Time:
		return c.Time
	case Value:
		return c.Value
	case EventID:
		return c.ID
	}
	return ""
}

// find returns the index of the column that fills f, or -1.
func (r Rules) find(f Field, names []string) (int, error) {
	d := definitions[f]
	given := r.Columns.of(f)
	if given == noColumn {
		return -1, nil
	}
	if given != "" {
		return columnCalled(d, given, names)
	}
	for _, wanted := range [][]string{{d.own}, d.others} {
		found := matching(names, wanted)
		if len(found) == 1 || len(found) > 1 && d.ordered {
			return found[0], nil
		}
		if len(found) > 1 {
			return -1, ambiguous(d, names, found)
		}
	}
	return -1, nil
}

// columnCalled returns the index of the column that a flag names: an exact
// match, or else a match of normalized names.
func columnCalled(d definition, given string, names []string) (int, error) {
	found := positions(names, func(n string) bool { return n == given })
	if len(found) == 0 {
		found = matching(names, []string{plain(given)})
	}
	switch len(found) {
	case 0:
		return -1, fmt.Errorf("there is no column %q (%s); the columns are %s", given, d.flag, list(names))
	case 1:
		return found[0], nil
	}
	return -1, ambiguous(d, names, found)
}

// ambiguous returns the error of a field that several columns could fill.
func ambiguous(d definition, names []string, found []int) error {
	var candidates []string
	for _, i := range found {
		candidates = append(candidates, names[i])
	}
	slices.Sort(candidates)
	if different := slices.Compact(slices.Clone(candidates)); len(different) < len(candidates) || d.flag == "" {
		return fmt.Errorf("the %s could be any of the columns %s; rename all but one", d.name, list(candidates))
	}
	return fmt.Errorf("the %s could be any of the columns %s; choose with %s", d.name, list(candidates), d.flag)
}

// describesItems reports whether the columns are those of a catalog.
func describesItems(names []string) bool {
	for _, f := range []Field{Title, Category, Tags, Text} {
		if len(matching(names, append([]string{definitions[f].own}, definitions[f].others...))) > 0 {
			return true
		}
	}
	return false
}

// matching returns the indexes of the columns that match any of the wanted
// names, in the order of the wanted names.
func matching(names, wanted []string) []int {
	var found []int
	for _, w := range wanted {
		if w != "" {
			found = append(found, positions(names, func(n string) bool { return plain(n) == w })...)
		}
	}
	return found
}

func positions(names []string, is func(string) bool) []int {
	var found []int
	for i, n := range names {
		if is(n) {
			found = append(found, i)
		}
	}
	return found
}

// isNumber reports whether a name is a number, which indicates a file without a
// header.
func isNumber(name string) bool {
	_, err := strconv.ParseFloat(name, 64)
	return err == nil
}

// plain normalizes a column's name for comparison.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-.", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// list formats names for a message, the first twenty of them.
func list(names []string) string {
	const most = 20
	quoted := make([]string, 0, most)
	for i, n := range names {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("… (%d in all)", len(names)))
			break
		}
		quoted = append(quoted, fmt.Sprintf("%.60q", n))
	}
	return strings.Join(quoted, ", ")
}
