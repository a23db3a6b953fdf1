package apiclient

import (
	"context"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/recsys"
)

// CoverageReport is what the next training is compared with.
type CoverageReport struct {
	Baseline       recsys.Baseline `json:"baseline" doc:"Streamed events that it covers are not compared again: the coverage of the live version, or what was accepted."`
	AcceptedBefore time.Time       `json:"accepted_before,omitzero" doc:"Streamed events stored before this time are accepted as they are in the bucket."`
	Events         int64           `json:"events" doc:"Streamed events in Postgres that the baseline does not cover."`
	Redelivery     *Redelivery     `json:"redelivery,omitempty" doc:"The last redelivery. Absent if there was none, or Temporal is unreachable."`
}

// Redelivery is a comparison of the stored events with the bucket, which writes the
// missing ones.
type Redelivery struct {
	WorkflowRunID string    `json:"workflow_run_id"`
	State         string    `json:"state" enum:"running,succeeded,failed"`
	StartedAt     time.Time `json:"started_at"`
	EndedAt       time.Time `json:"ended_at,omitzero"`
	Stored        int64     `json:"stored" doc:"Events that were compared."`
	Redelivered   int64     `json:"redelivered" doc:"Events that were not in the bucket and were written there."`
	Objects       int       `json:"objects" doc:"Objects that were written."`
	Damaged       []string  `json:"damaged,omitempty" doc:"Keys of objects that cannot be read, at most 20."`
	Error         string    `json:"error,omitempty" doc:"Why it failed."`
}

// AcceptCoverage accepts the streamed events that are in the bucket.
type AcceptCoverage struct {
	StoredBefore time.Time `json:"stored_before,omitzero" doc:"Accept events stored before this time. Defaults to now."`
	Reason       string    `json:"reason" minLength:"1" maxLength:"500" doc:"Reason, for the audit."`
}

// Redeliver starts a redelivery.
type Redeliver struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Reason, for the audit."`
}

// Coverage returns what the next training is compared with.
func (c *Client) Coverage(ctx context.Context) (out CoverageReport, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/coverage", nil, nil, nil, &out)
	return out, err
}

// AcceptCoverage accepts the streamed events that are in the bucket.
func (c *Client) AcceptCoverage(ctx context.Context, in AcceptCoverage) (out CoverageReport, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/coverage/accept", nil, nil, in, &out)
	return out, err
}

// Redeliver starts a redelivery, or returns the one that is running.
func (c *Client) Redeliver(ctx context.Context, in Redeliver) (out Redelivery, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/coverage/redeliver", nil, nil, in, &out)
	return out, err
}
