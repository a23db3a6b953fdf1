package main

import (
	"encoding/base64"
	"net/http"
	"strconv"
)

// Page asks for a page of a list. It is exported for the sake of reflection.
type Page struct {
	Cursor string `query:"cursor" maxLength:"100" doc:"The next of the page before; the first page when left out."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most entries on the page."`
}

// before is the id that the page begins under, 0 for the first page. A cursor
// is opaque to callers: what it holds may change.
func (p Page) before() (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	text, err := decodeCursor(p.Cursor)
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, badCursor()
	}
	return id, nil
}

func encodeCursor(last string) string { return base64.RawURLEncoding.EncodeToString([]byte(last)) }

func decodeCursor(cursor string) (last string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !readable(string(text)) {
		return "", badCursor()
	}
	return string(text), nil
}

func badCursor() error {
	return fail(http.StatusUnprocessableEntity, "bad_cursor", "the cursor is none of this list", "begin again without a cursor")
}

// mapEach maps each entry to another form. No entries give an empty list, not nil.
func mapEach[T, U any](entries []T, to func(T) U) []U {
	out := make([]U, len(entries))
	for i, e := range entries {
		out[i] = to(e)
	}
	return out
}

// cut takes a list that was asked for with one entry too many to a page, and
// makes the cursor of the next.
func cut[T any](entries []T, limit int, id func(T) int64) (page []T, next string) {
	if len(entries) <= limit {
		return append([]T{}, entries...), ""
	}
	page = entries[:limit]
	return page, encodeCursor(idText(id(page[limit-1])))
}
