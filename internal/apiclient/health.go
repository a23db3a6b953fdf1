package apiclient

import (
	"context"
	"net/http"
)

// Health is the response of a running process.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Ready is the response of a process that can serve requests.
type Ready struct {
	Status          string `json:"status" enum:"ready"`
	SchemaVersion   int    `json:"schema_version" doc:"Schema version of the database: the number of its last migration."`
	PgvectorVersion string `json:"pgvector_version" example:"0.8.5"`
	Index           Index  `json:"index" doc:"How this process searches the version that it loaded last, which follows the live version within seconds."`
}

// Index is how a process searches a version.
type Index struct {
	State      string `json:"state" enum:"loading,memory,postgres" doc:"memory: in the memory of the process. loading: in Postgres, while the items are loading. postgres: in Postgres, because the items exceed the limit, could not be loaded, or are not followed yet."`
	Version    int64  `json:"version,omitempty"`
	Items      int    `json:"items,omitempty" doc:"Number of items in memory."`
	Bytes      int64  `json:"bytes,omitempty" doc:"Size of the index in memory."`
	LoadMillis int64  `json:"load_ms,omitempty" doc:"Time that loading took."`
}

// Build identifies the build of the process.
type Build struct {
	BuildID string `json:"build_id" doc:"Commit of the build or, in an image, the beginning of the SHA-256 of the program." example:"98453df0c2a1"`
	API     string `json:"api" doc:"Version of the API." example:"1"`
}

// Ready checks whether the API can serve requests. A *Problem with the code
// not_ready names what is missing.
func (c *Client) Ready(ctx context.Context) (r Ready, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/readyz", nil, nil, nil, &r)
	return r, err
}
