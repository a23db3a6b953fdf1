package apiclient

import (
	"context"
	"net/http"
	"time"
)

// NewSchedule says when to refresh, and how.
type NewSchedule struct {
	Cron     string    `json:"cron,omitempty" maxLength:"100" doc:"Five fields in UTC: minute, hour, day of the month, month, day of the week. Either this or every." example:"0 3 * * *"`
	Every    string    `json:"every,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"So often, counted from midnight UTC of 1 January 1970: 24h, 7d."`
	Jitter   string    `json:"jitter,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"Each run starts up to so much later; 0s for no jitter, which is the default." example:"10m"`
	CatchUp  string    `json:"catch_up,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"A run that was prevented is made up for within this time; after it the run is missed. The default is 12h." example:"12h"`
	From     time.Time `json:"from,omitzero" doc:"Train on events from this time; the default is all of them. The end is when a run starts."`
	Promote  *bool     `json:"promote,omitempty" doc:"Make a version live when no gate refuses it, which is the default."`
	Paused   *bool     `json:"paused,omitempty" doc:"Start nothing for now; the default is false. The schedule is paused when a run fails."`
	Note     string    `json:"note,omitempty" maxLength:"500" doc:"Why it is paused. A run that fails writes its reason here, and paused: false removes it."`
	Training *Training `json:"training,omitempty" doc:"How to train."`
}

// ScheduleChange changes the schedule, or makes the first one. What is left out
// keeps its value, inside training too; of the first one it is the default.
type ScheduleChange struct {
	NewSchedule
	Reset []string `json:"reset,omitempty" maxItems:"6" enum:"jitter,catch_up,from,promote,note,training" doc:"Settings that take their defaults again, before the others are applied."`
}

// Schedule is the schedule of the refresh and what has come of it.
type Schedule struct {
	NewSchedule
	Runs      []ScheduledRun `json:"runs" doc:"The last ten, newest first."`
	Next      []time.Time    `json:"next" doc:"When the next are due, before jitter; none while it is paused."`
	Started   int            `json:"started" doc:"Runs in all."`
	Missed    int            `json:"missed" doc:"Runs that were prevented, and not made up for within catch_up."`
	Skipped   int            `json:"skipped" doc:"Runs that were due while another was under way."`
	Overdue   bool           `json:"overdue" doc:"A run is due and has not started: look at Temporal and the worker."`
	ChangedAt time.Time      `json:"changed_at"`
}

// ScheduledRun is a run that the schedule started.
type ScheduledRun struct {
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"workflow_run_id"`
	TemporalUI string    `json:"temporal_ui,omitempty"`
	DueAt      time.Time `json:"due_at"`
	StartedAt  time.Time `json:"started_at"`
	Outcome    string    `json:"outcome" enum:"running,live,ready,superseded,refused,failed,cancelled,forgotten" doc:"What came of it; forgotten when Temporal does not keep it any longer."`
	Detail     string    `json:"detail,omitempty" doc:"The outcome in words: of a failure, its reason."`
	Version    int64     `json:"version,omitempty"`
}

// Schedule asks for the schedule; the ETag is that of what was seen, and stays
// while only runs come and go.
func (c *Client) Schedule(ctx context.Context) (s Schedule, etag string, err error) {
	answered, err := c.Do(ctx, http.MethodGet, "/schedule", nil, nil, nil, &s)
	return s, answered.Get("ETag"), err
}

// PutSchedule changes the schedule that is as it was seen, or makes the first one
// when etag is empty.
func (c *Client) PutSchedule(ctx context.Context, etag string, change ScheduleChange) (s Schedule, err error) {
	header := match(etag)
	if etag == "" {
		header = http.Header{"If-None-Match": {"*"}}
	}
	_, err = c.Do(ctx, http.MethodPut, "/schedule", nil, header, change, &s)
	return s, err
}

// DeleteSchedule ends the schedule that is as it was seen.
func (c *Client) DeleteSchedule(ctx context.Context, etag string) error {
	_, err := c.Do(ctx, http.MethodDelete, "/schedule", nil, match(etag), nil, nil)
	return err
}
