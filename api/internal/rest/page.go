package rest

import (
	"encoding/base64"
	"net/http"
	"strconv"
)

// Page asks for a page of a list.
type Page struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"The next of the page before; the first page when left out."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most entries on the page."`
}

// Before is the id that the page begins under, 0 for the first page. A cursor
// is opaque to callers: its contents may change.
func (p Page) Before() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	text, err := DecodeCursor(p.Cursor)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, BadCursor()
	}
	return id, nil
}

// EncodeCursor is the cursor of the page after the entry that last stands for.
func EncodeCursor(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// DecodeCursor is the text that EncodeCursor was given.
func DecodeCursor(cursor string) (last string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !readable(string(text)) {
		return "", BadCursor()
	}
	return string(text), nil
}

// BadCursor is the answer to a cursor of another list.
func BadCursor() error {
	return Fail(http.StatusUnprocessableEntity, "bad_cursor", "the cursor is none of this list", "begin again without a cursor")
}

// MapEach maps each entry to another form. No entries give an empty list, not nil.
func MapEach[T, U any](entries []T, to func(T) U) []U {
	out := make([]U, len(entries))
	for i, e := range entries {
		out[i] = to(e)
	}
	return out
}

// PageOf takes a list that was asked for with one entry too many to a page, and
// makes the cursor of the next.
func PageOf[T any](entries []T, limit int, id func(T) int64) (page []T, next string) {
	if len(entries) <= limit {
		return append([]T{}, entries...), ""
	}
	page = entries[:limit]
	return page, EncodeCursor(strconv.FormatInt(id(page[limit-1]), 10))
}
