package tabular

import (
	"bytes"
	"strconv"
	"strings"
)

var (
	cellObject    = Cell{Kind: CellInvalid, Text: "is an object"}
	cellSurrogate = Cell{Kind: CellInvalid, Text: "has an unpaired surrogate escape"}
)

// jsonCell returns the cell of a checked value. Numbers stay as they are written,
// so that an id of twenty digits is not rounded. NaN is a missing value.
func jsonCell(raw []byte) Cell {
	switch raw[0] {
	case 'n', 'N':
		return Cell{}
	case '"':
		return jsonText(raw[1 : len(raw)-1])
	case '[':
		var b listBuilder
		addJSONList(&b, raw)
		return b.cell()
	case '{':
		return extendedJSON(raw)
	}
	if raw[len(raw)-1] == 'y' {
		return Cell{Kind: CellInvalid, Text: "is " + string(raw)}
	}
	return Cell{Kind: CellText, Text: string(raw)}
}

func jsonText(s []byte) Cell {
	if len(s) == 0 {
		return Cell{}
	}
	if bytes.IndexByte(s, '\\') < 0 {
		return Cell{Kind: CellText, Text: string(s)}
	}
	plain, ok := unescape(nil, s)
	if !ok {
		return cellSurrogate
	}
	return Cell{Kind: CellText, Text: string(plain)}
}

// addJSONList adds the values of an array, and of the arrays in it. Of an object
// with a name, such as a category with its id, the name is the value.
func addJSONList(b *listBuilder, raw []byte) {
	p := jsonScanner{b: raw}
	_ = p.array(func(value []byte) { // it was checked
		switch value[0] {
		case '[':
			addJSONList(b, value)
		case '{':
			c := extendedJSON(value)
			if c.Kind == CellInvalid {
				if name := member(value, "name"); len(name) > 0 && name[0] == '"' {
					c = jsonCell(name)
				}
			}
			b.add(c)
		default:
			b.add(jsonCell(value))
		}
	})
}

// member returns the value of a member of a checked object, or nil.
func member(object []byte, name string) (found []byte) {
	p := jsonScanner{b: object}
	_ = p.object(func(n, value []byte) {
		if string(n) == name {
			found = value
		}
	})
	return found
}

// extendedJSON returns the cell of an object that is one value in MongoDB's
// extended JSON, such as {"$oid": "…"} and {"$date": {"$numberLong": "…"}}.
func extendedJSON(raw []byte) Cell {
	var name string
	var value []byte
	members := 0
	p := jsonScanner{b: raw}
	_ = p.object(func(n, v []byte) { name, value, members = string(n), v, members+1 })
	if members != 1 || !strings.HasPrefix(name, "$") {
		return cellObject
	}
	switch name {
	case "$oid", "$uuid", "$symbol":
		if value[0] == '"' {
			return jsonCell(value)
		}
	case "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal":
		return extendedNumber(jsonCell(value))
	case "$date":
		return extendedDate(value)
	}
	return cellObject
}

func extendedNumber(c Cell) Cell {
	if c.Kind != CellText {
		return c
	}
	switch c.Text {
	case "NaN":
		return Cell{}
	case "Infinity", "-Infinity":
		return Cell{Kind: CellInvalid, Text: "is " + c.Text}
	}
	p := jsonScanner{b: []byte(c.Text)}
	if _, err := p.value(); err != nil || p.i < len(p.b) {
		return Cell{Kind: CellInvalid, Text: "is a $number that is not a number"}
	}
	return c
}

// extendedDate reads milliseconds since 1970, or a text in ISO 8601.
func extendedDate(value []byte) Cell {
	c := jsonCell(value)
	if c.Kind != CellText {
		return Cell{Kind: CellInvalid, Text: "is a $date without a time"}
	}
	if value[0] == '"' {
		at, err := ParseMicros(c.Text)
		if err != nil {
			return Cell{Kind: CellInvalid, Text: err.Error()}
		}
		return Cell{Kind: CellTime, Time: at}
	}
	ms, err := strconv.ParseInt(c.Text, 10, 64)
	if err != nil {
		return Cell{Kind: CellInvalid, Text: "is a $date without milliseconds"}
	}
	return Cell{Kind: CellTime, Time: scaled(ms, 1000)}
}
