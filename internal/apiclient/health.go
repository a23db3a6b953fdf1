package apiclient

import (
	"context"
	"net/http"
)

// Health is the answer of a process that runs.
type Health struct {
	Status string `json:"status" enum:"ok"`
}

// Ready is the answer of a process that can do its work.
type Ready struct {
	Status          string `json:"status" enum:"ready"`
	SchemaVersion   int    `json:"schema_version" doc:"Of the database: the number of its last migration."`
	PgvectorVersion string `json:"pgvector_version" example:"0.8.5"`
}

// Build says which code answers.
type Build struct {
	BuildID string `json:"build_id" doc:"The commit that the process was built from; in an image, the beginning of the SHA-256 of its program." example:"98453df0c2a1"`
	API     string `json:"api" doc:"The version of the contract." example:"1"`
}

// Ready asks whether requests can be answered. A *Problem with the code not_ready
// names what is missing.
func (c *Client) Ready(ctx context.Context) (r Ready, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/readyz", nil, nil, nil, &r)
	return r, err
}
