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
