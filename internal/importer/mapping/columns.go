package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Columns names the columns of a file explicitly. The name "none" means that
// the file has no such column. A name within a JSON object is a path, such as
// user.id, and one within an array of objects, such as items[].id, makes every
// element a row.
type Columns struct {
	User, Item, Type, Time, Value, ID, Session, Recommendation string
	Title, Category, Tags, Text, Available                     string
}

const noColumn = "none"

// Of returns the column of a field; "" if it is not named.
func (c *Columns) Of(f Field) string {
	if name := c.named(f); name != nil {
		return *name
	}
	return ""
}

// Set names the column of a field.
func (c *Columns) Set(f Field, column string) {
	if name := c.named(f); name != nil {
		*name = column
	}
}

func (c *Columns) named(f Field) *string {
	return [numFields]*string{
		User: &c.User, Item: &c.Item, Type: &c.Type, Time: &c.Time, Value: &c.Value, EventID: &c.ID, Session: &c.Session,
		Recommendation: &c.Recommendation, Title: &c.Title, Category: &c.Category, Tags: &c.Tags, Text: &c.Text, Available: &c.Available,
	}[f]
}

// find returns the index of the column that fills f, or -1, and how it was found.
func (r Rules) find(f Field, s Sample) (int, How, error) {
	d := definitions[f]
	given := r.Columns.Of(f)
	if given == noColumn {
		return -1, "", nil
	}
	if given != "" {
		c, err := columnCalled(d, given, s.Names)
		if err != nil && r.Recipe {
			return -1, "", nil // a recipe names columns that a file may lack
		}
		if r.Recipe {
			return c, HowRecipe, err
		}
		return c, HowFlag, err
	}
	if found := matching(s.Names, []string{d.own}); len(found) == 1 {
		return found[0], HowName, nil
	} else if len(found) > 1 {
		return -1, "", ambiguous(d, s.Names, found)
	}
	found := matching(s.Names, d.others)
	if len(found) > 1 && !d.ordered {
		// The values may leave one candidate only.
		if fitting := slices.DeleteFunc(slices.Clone(found), func(c int) bool { return !s.fits(f, c) }); len(fitting) > 0 {
			found = fitting
		}
	}
	switch {
	case len(found) == 0:
		return -1, "", nil
	case len(found) == 1 || d.ordered:
		return found[0], HowSynonym, nil
	}
	return -1, "", ambiguous(d, s.Names, found)
}

// isCatalog reports whether a file contains items: it has a column that describes
// an item and none of a user. It returns an error if the columns leave a choice
// between a log and a catalog.
func (r Rules) isCatalog(s Sample, user int) (bool, error) {
	if r.Items || r.Events {
		return r.Items, nil
	}
	described := matching(s.Names, describing(Title, Tags, Text))
	categories := matching(s.Names, describing(Category))
	typed := matching(s.Names, []string{"eventtype", "event", "eventname", "action", "behavior", "behaviour", "interactiontype"}) //nolint:misspell // a column name in data from elsewhere
	timed := matching(s.Names, describing(Time))
	if user >= 0 {
		if len(described) == 0 || len(typed) > 0 || len(timed) > 0 || r.Columns.User != "" || s.Rows == 0 || r.repeatsItems(s) {
			return false, nil
		}
		return false, fmt.Errorf("the file could be a catalog (%s, and every item once) or a log of events (%s); use --items or --events",
			list(columnNames(s.Names, described)), list([]string{s.Names[user]}))
	}
	if r.Columns.User != "" || len(described)+len(categories) == 0 {
		return false, nil
	}
	if len(typed) == 0 && (len(timed) == 0 || !r.repeatsItems(s)) {
		return true, nil
	}
	return false, fmt.Errorf("the file looks like a log of events (%s), but no column looks like the user; the columns are %s; name it with --user-column, or use --items if it is a catalog",
		list(columnNames(s.Names, append(typed, timed...))), list(s.Names))
}

// repeatsItems reports whether an item occurs twice in the sample.
func (r Rules) repeatsItems(s Sample) bool {
	item, _, err := r.find(Item, s)
	return err == nil && item >= 0 && s.repeats(item)
}

// describing returns all known names of fields.
func describing(fields ...Field) []string {
	var names []string
	for _, f := range fields {
		names = append(append(names, definitions[f].own), definitions[f].others...)
	}
	return names
}

func columnNames(names []string, columns []int) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = names[c]
	}
	return out
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

// matching returns the indexes of the columns that match any of the wanted
// names, in the order of the wanted names. A column within an object, such as
// user.id, matches only if no other does.
func matching(names, wanted []string) []int {
	var found, within []int
	for _, w := range wanted {
		if w == "" {
			continue
		}
		for _, c := range positions(names, func(n string) bool { return plain(n) == w }) {
			if strings.Contains(names[c], ".") {
				within = append(within, c)
			} else {
				found = append(found, c)
			}
		}
	}
	if len(found) == 0 {
		return within
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
