package importer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// guess is how a field's column is recognised. Names are compared without
// case, spaces, dots, dashes and underscores.
type guess struct {
	name    string   // the field in messages and in the import's record
	flag    string   // the flag that names the column
	own     string   // recflow's own name: it wins over the others
	others  []string // other people's names
	ordered bool     // the first of others wins; otherwise two of them are ambiguous
}

var guesses = [numFields]guess{
	fieldUser: {name: "user", flag: "--user-column", own: "userid", others: []string{
		"user", "uid", "customerid", "customer", "householdid", "visitorid", "memberid", "accountid", "reviewerid"}},
	fieldItem: {name: "item", flag: "--item-column", own: "itemid", others: []string{
		"item", "movieid", "productid", "product", "articleid", "bookid", "trackid", "songid", "gameid", "sku", "asin", "isbn"}},
	fieldType: {name: "type", flag: "--type-column", own: "eventtype", others: []string{
		"event", "type", "action", "eventname", "behavior", "behaviour"}},
	fieldTime: {name: "time", flag: "--time-column", own: "occurredat", others: []string{
		"timestamp", "time", "ts", "datetime", "date", "eventtime", "transactiontimestamp", "createdat", "unixtime"}},
	fieldValue: {name: "value", flag: "--value-column", own: "value", others: []string{
		"rating", "quantity", "stars", "score"}},
	fieldEventID:        {name: "id", flag: "--id-column", own: "eventid"},
	fieldSession:        {name: "session", own: "sessionid"},
	fieldRecommendation: {name: "recommendation", own: "recommendationid"},
	fieldTitle:          {name: "title", own: "title", others: []string{"name", "productname", "itemname"}, ordered: true},
	fieldCategory:       {name: "category", own: "category", others: []string{"department", "genre"}, ordered: true},
	fieldTags:           {name: "tags", own: "tags", others: []string{"genres", "keywords", "labels"}, ordered: true},
	fieldText:           {name: "text", own: "text", others: []string{"description"}, ordered: true},
	fieldAvailable:      {name: "available", own: "available", others: []string{"instock"}, ordered: true},
	fieldBrand:          {name: "brand"},
	fieldPackage:        {name: "package"},
	fieldDepartment:     {name: "department"},
}

// eventFields and itemFields are the fields that a file of each kind can fill.
var (
	eventFields = []field{fieldUser, fieldItem, fieldType, fieldTime, fieldValue, fieldEventID, fieldSession, fieldRecommendation}
	itemFields  = []field{fieldItem, fieldTitle, fieldCategory, fieldTags, fieldText, fieldAvailable}
)

// Columns names the columns of a file, where they are not to be guessed. The
// name "none" says that the file has no such column.
type Columns struct {
	User, Item, Type, Time, Value, ID string
}

const noColumn = "none"

func (c Columns) of(f field) string {
	switch f {
	case fieldUser:
		return c.User
	case fieldItem:
		return c.Item
	case fieldType:
		return c.Type
	case fieldTime:
		return c.Time
	case fieldValue:
		return c.Value
	case fieldEventID:
		return c.ID
	}
	return ""
}

// mapping is what a file's columns mean.
type mapping struct {
	items   bool // the file holds items, not events
	columns columnsOf
	event   string // the type of an event whose row names none
}

// request is what the user asked of the mapping.
type request struct {
	columns   Columns
	items     bool
	eventType string
}

// plan guesses the mapping of a file with the given columns.
func (q request) plan(names []string) (mapping, error) {
	m := mapping{event: q.eventType}
	for f := range m.columns {
		m.columns[f] = -1
	}
	user, err := q.find(fieldUser, names)
	if err != nil {
		return m, err
	}
	m.items = q.items || (user < 0 && q.columns.User == "" && describesItems(names))
	fields := eventFields
	if m.items {
		fields = itemFields
	}
	for _, f := range fields {
		if m.columns[f], err = q.find(f, names); err != nil {
			return m, err
		}
	}
	if m.items && m.columns[fieldItem] < 0 {
		m.columns[fieldItem] = slices.IndexFunc(names, func(n string) bool { return plain(n) == "id" })
	}
	if m.items {
		return m, m.require(names, fieldItem)
	}
	m.chooseType(q, names)
	return m, m.require(names, fieldUser, fieldItem)
}

// chooseType settles the type of events: a rating column makes them ratings,
// and an --event-type beats a type column that was only guessed.
func (m *mapping) chooseType(q request, names []string) {
	if c := m.columns[fieldType]; c >= 0 && q.eventType != "" && q.columns.Type == "" && plain(names[c]) != guesses[fieldType].own {
		m.columns[fieldType] = -1
	}
	if m.event != "" {
		return
	}
	m.event = "click"
	if c := m.columns[fieldValue]; c >= 0 && slices.Contains([]string{"rating", "stars"}, plain(names[c])) {
		m.event = "rating"
	}
}

// find returns the position of the column that fills f, or -1.
func (q request) find(f field, names []string) (int, error) {
	g := guesses[f]
	given := q.columns.of(f)
	if given == noColumn {
		return -1, nil
	}
	if given != "" {
		return columnCalled(g, given, names)
	}
	for _, wanted := range [][]string{{g.own}, g.others} {
		found := matching(names, wanted)
		if len(found) == 1 || len(found) > 1 && g.ordered {
			return found[0], nil
		}
		if len(found) > 1 {
			return -1, ambiguous(g, names, found)
		}
	}
	return -1, nil
}

// columnCalled returns the position of the column that a flag names: as it is written,
// or else as names are compared.
func columnCalled(g guess, given string, names []string) (int, error) {
	found := positions(names, func(n string) bool { return n == given })
	if len(found) == 0 {
		found = matching(names, []string{plain(given)})
	}
	switch len(found) {
	case 0:
		return -1, fmt.Errorf("there is no column %q (%s); the columns are %s", given, g.flag, list(names))
	case 1:
		return found[0], nil
	}
	return -1, ambiguous(g, names, found)
}

// ambiguous is the error of a field that several columns could fill.
func ambiguous(g guess, names []string, found []int) error {
	var candidates []string
	for _, i := range found {
		candidates = append(candidates, names[i])
	}
	slices.Sort(candidates)
	if different := slices.Compact(slices.Clone(candidates)); len(different) < len(candidates) || g.flag == "" {
		return fmt.Errorf("the %s could be any of the columns %s; rename all but one", g.name, list(candidates))
	}
	return fmt.Errorf("the %s could be any of the columns %s; choose with %s", g.name, list(candidates), g.flag)
}

// require refuses a mapping that lacks what every event or item needs.
func (m mapping) require(names []string, fields ...field) error {
	for _, f := range fields {
		if m.columns[f] >= 0 {
			continue
		}
		advice := "name it with " + guesses[f].flag
		if slices.ContainsFunc(names, isNumber) {
			advice = "the first line must hold the columns' names"
		}
		return fmt.Errorf("no column looks like the %s; the columns are %s; %s", guesses[f].name, list(names), advice)
	}
	return nil
}

// names says which column fills which field, for people and for the record of
// the import.
func (m mapping) names(columns []string) map[string]string {
	out := map[string]string{}
	for f, c := range m.columns {
		if c >= 0 {
			out[guesses[f].name] = columns[c]
		}
	}
	return out
}

// describesItems tells a catalogue by its columns.
func describesItems(names []string) bool {
	for _, f := range []field{fieldTitle, fieldCategory, fieldTags, fieldText} {
		if len(matching(names, append([]string{guesses[f].own}, guesses[f].others...))) > 0 {
			return true
		}
	}
	return false
}

// matching returns the positions of the columns called any of the wanted
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

// isNumber tells a value where a column's name should be.
func isNumber(name string) bool {
	_, err := strconv.ParseFloat(name, 64)
	return err == nil
}

// plain is a column's name without what people vary.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" _-.", r) {
			return -1
		}
		return r
	}, strings.ToLower(name))
}

// list writes names for a message, the first twenty of them.
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

// known maps columns whose meaning is known beforehand.
func (q request) known(named map[field]string, names []string) (mapping, error) {
	m := mapping{items: q.items, event: q.eventType}
	for f := range m.columns {
		m.columns[f] = -1
	}
	for f := range numFields {
		want, ok := named[f]
		if !ok {
			continue
		}
		if m.columns[f] = slices.Index(names, want); m.columns[f] < 0 {
			return m, fmt.Errorf("there is no column %q; the columns are %s", want, list(names))
		}
	}
	return m, nil
}
