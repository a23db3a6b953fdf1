package mapping

import "slices"

// Field is a field of an event or an item that a column can fill.
type Field int

// The fields. They are the indexes of a record's cells.
const (
	User Field = iota
	Item
	Type
	Time
	Value
	EventID
	Session
	Recommendation
	Title
	Category
	Tags
	Text
	Available
	Brand      // only in data sets, as the two below
	Package    //
	Department //
	numFields
)

// definition describes how a field's column is recognized. Names are compared
// without case, spaces, dots, dashes and underscores.
type definition struct {
	name    string   // name of the field in messages and in the import's record
	flag    string   // flag that names the column
	own     string   // recflow's own name, which takes precedence
	others  []string // other common names
	ordered bool     // the first match of others is used; otherwise two matches are ambiguous
}

var definitions = [numFields]definition{
	User: {name: "user", flag: "--user-column", own: "userid", others: []string{
		"user", "uid", "customerid", "customer", "householdid", "visitorid", "memberid", "accountid", "reviewerid", "clientid",
		"subscriberid", "profileid", "userpseudoid", "shopperid", "buyerid", "playerid", "listenerid", "readerid"}},
	Item: {name: "item", flag: "--item-column", own: "itemid", others: []string{
		"item", "movieid", "productid", "product", "articleid", "bookid", "trackid", "songid", "gameid", "sku", "asin", "isbn",
		"contentid", "videoid", "newsid", "artistid", "showid", "listingid", "stockcode", "parentasin"}},
	Type: {name: "type", flag: "--type-column", own: "eventtype", others: []string{
		"event", "type", "action", "eventname", "behavior", "behaviour", "interactiontype", "interaction"}}, //nolint:misspell // a column name in data from elsewhere
	Time: {name: "time", flag: "--time-column", own: "occurredat", others: []string{
		"timestamp", "time", "ts", "datetime", "date", "eventtime", "eventtimestamp", "eventdate", "eventdatetime",
		"transactiontimestamp", "transactiondate", "tdat", "createdat", "unixtime", "orderdate", "ordertime", "purchasedate",
		"invoicedate", "reviewtime", "unixreviewtime", "interactiontime", "visittime", "clicktime", "playedat", "listenedat"}},
	Value: {name: "value", flag: "--value-column", own: "value", others: []string{
		"rating", "quantity", "stars", "score", "overall", "eventvalue", "playcount", "plays"}},
	EventID:        {name: "id", flag: "--id-column", own: "eventid"},
	Session:        {name: "session", flag: "--session-column", own: "sessionid", others: []string{"usersession", "session", "visitid"}, ordered: true},
	Recommendation: {name: "recommendation", flag: "--recommendation-column", own: "recommendationid"},
	Title: {name: "title", flag: "--title-column", own: "title", others: []string{
		"name", "productname", "itemname", "producttitle", "prodname"}, ordered: true},
	Category: {name: "category", flag: "--category-column", own: "category", others: []string{
		"department", "genre", "categorycode", "categoryname", "productcategory", "categoryl1", "maincategory"}, ordered: true},
	Tags:       {name: "tags", flag: "--tags-column", own: "tags", others: []string{"genres", "keywords", "labels", "categories"}, ordered: true},
	Text:       {name: "text", flag: "--text-column", own: "text", others: []string{"description", "productdescription", "detaildesc"}, ordered: true},
	Available:  {name: "available", flag: "--available-column", own: "available", others: []string{"instock", "isavailable"}, ordered: true},
	Brand:      {name: "brand"},
	Package:    {name: "package"},
	Department: {name: "department"},
}

// ratingNames are the columns of values that make the events of a file ratings.
var ratingNames = []string{"rating", "stars", "overall"}

// eventFields and itemFields are the fields of each kind of file.
var (
	eventFields = []Field{User, Item, Type, Time, Value, EventID, Session, Recommendation}
	itemFields  = []Field{Item, Title, Category, Tags, Text, Available}
)

// FieldNamed returns the field with a name, as in the record of an import.
func FieldNamed(name string) (Field, bool) {
	f := slices.IndexFunc(definitions[:Brand], func(d definition) bool { return d.name == name })
	return Field(f), f >= 0
}

// FieldNames returns the names of all fields that a column can fill.
func FieldNames() []string {
	var names []string
	for _, d := range definitions[:Brand] {
		names = append(names, d.name)
	}
	return names
}
