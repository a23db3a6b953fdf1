package apiclient

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Import is the import of one file.
type Import struct {
	ID              string            `json:"id" doc:"SHA-256 of the file, in hex."`
	File            string            `json:"file" doc:"Name of the file, without folders."`
	Kind            string            `json:"kind" enum:"events,items" doc:"What the file was read as."`
	Format          string            `json:"format" doc:"csv, jsonl, parquet, or the name of a data set."`
	Bytes           int64             `json:"bytes" doc:"Size of the file."`
	FirstImportedAt time.Time         `json:"first_imported_at" doc:"Time of the file's first import. It is the time of events that have none."`
	Complete        bool              `json:"complete" doc:"False while an import or a removal runs, or if it was interrupted. Repeat it."`
	Until           *time.Time        `json:"until,omitempty" doc:"Only events before this time were imported."`
	Rows            int64             `json:"rows" doc:"Rows of the file."`
	Accepted        int64             `json:"accepted" doc:"Events or items that were written."`
	Rejected        int64             `json:"rejected" doc:"Rows that were rejected."`
	Columns         map[string]string `json:"columns" doc:"The column of each field."`
	EventType       string            `json:"event_type,omitempty" doc:"Type of events whose row has none."`
	Reading         map[string]string `json:"reading,omitempty" doc:"Further options that change what rows mean."`
	Continues       []Continued       `json:"continues,omitempty" doc:"Earlier imports whose rows are the first rows of the file; the newest is the last."`
	Warnings        []ImportWarning   `json:"warnings" doc:"What is likely a mistake, most harmful first."`
	Report          json.RawMessage   `json:"report,omitempty" doc:"What the rows contain, as --dry-run shows it. Only of a single import."`
}

// Continued is an earlier import that a file continues.
type Continued struct {
	ID   string `json:"id" doc:"Import that has the rows."`
	File string `json:"file" doc:"Name of its file."`
	Rows int64  `json:"rows" doc:"Number of rows up to which the file has those of the import."`
}

// ImportWarning is something in a file that is likely a mistake.
type ImportWarning struct {
	Code    string `json:"code"`
	Message string `json:"message" doc:"A sentence that says what to do."`
}

// Imports is a page of imports.
type Imports struct {
	Items []Import `json:"items"`
	Next  string   `json:"next,omitempty" doc:"Cursor of the next page; absent on the last page."`
}

// RemovedImport is the result of removing an import.
type RemovedImport struct {
	Objects int `json:"objects" doc:"Objects with rows of the import that were removed."`
}

// Imports returns a page of the imports, newest first.
func (c *Client) Imports(ctx context.Context, cursor string, limit int) (out Imports, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/imports", url.Values{"cursor": {cursor}, "limit": {strconv.Itoa(limit)}}, nil, nil, &out)
	return out, err
}

// Import returns an import with its report.
func (c *Client) Import(ctx context.Context, id string) (out Import, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/imports/"+url.PathEscape(id), nil, nil, nil, &out)
	return out, err
}

// RemoveImport removes an import and its rows.
func (c *Client) RemoveImport(ctx context.Context, id string) (out RemovedImport, err error) {
	_, err = c.Do(ctx, http.MethodDelete, "/imports/"+url.PathEscape(id), nil, nil, nil, &out)
	return out, err
}
