package rest

import (
	"encoding/base64"
	"net/http"
	"strconv"
)

// Page contains the parameters of a paginated list.
type Page struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"Cursor of the page: next of the previous page. Defaults to the first page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Maximum number of entries on the page."`
}

// Before returns the id before which the page starts, 0 for the first page. A
// cursor is opaque to callers: its contents may change.
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

// EncodeCursor returns the cursor of the page after the entry that last identifies.
func EncodeCursor(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

// DecodeCursor returns the text that was passed to EncodeCursor.
func DecodeCursor(cursor string) (last string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !readable(string(text)) {
		return "", BadCursor()
	}
	return string(text), nil
}

// BadCursor returns the problem for an invalid cursor.
func BadCursor() error {
	return Fail(http.StatusUnprocessableEntity, "bad_cursor", "the cursor does not belong to this list", "start again without a cursor")
}

// MapEach maps each entry to another form. No entries give an empty list, not nil.
func MapEach[T, U any](entries []T, to func(T) U) []U {
	out := make([]U, len(entries))
	for i, e := range entries {
		out[i] = to(e)
	}
	return out
}

// PageOf returns the first limit entries and the cursor of the next page. entries
// must be queried with limit+1, to know whether there is one.
func PageOf[T any](entries []T, limit int, id func(T) int64) (page []T, next string) {
	if len(entries) <= limit {
		return append([]T{}, entries...), ""
	}
	page = entries[:limit]
	return page, EncodeCursor(strconv.FormatInt(id(page[limit-1]), 10))
}
