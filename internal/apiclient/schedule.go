package apiclient

import (
	"context"
	"net/http"
	"time"
)

// NewSchedule configures when to refresh, and how.
type NewSchedule struct {
	Cron     string    `json:"cron,omitempty" maxLength:"100" doc:"Five fields in UTC: minute, hour, day of the month, month, day of the week. Exclusive with every." example:"0 3 * * *"`
	Every    string    `json:"every,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"Interval, counted from midnight UTC of 1 January 1970: 24h, 7d. Exclusive with cron."`
	Jitter   string    `json:"jitter,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"Maximum random delay of each run. Defaults to 0s." example:"10m"`
	CatchUp  string    `json:"catch_up,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"A run that could not start on time starts within this time; after it the run is missed. Defaults to 12h." example:"12h"`
	From     time.Time `json:"from,omitzero" doc:"Train on events from this time on. Defaults to all events. The end is the start of a run."`
	Promote  *bool     `json:"promote,omitempty" doc:"Promote a version if no gate refuses it. Defaults to true."`
	Paused   *bool     `json:"paused,omitempty" doc:"Start no runs. Defaults to false. A failed run pauses the schedule."`
	Note     string    `json:"note,omitempty" maxLength:"500" doc:"Reason of the pause. A failed run writes its reason here, and paused: false removes it."`
	Training *Training `json:"training,omitempty" doc:"Training parameters."`
}

// ScheduleChange changes the schedule, or creates it. Absent fields, also
// inside training, keep their values; in a new schedule they have their
// defaults. An interest replaces the previous one as a whole, with its half-life.
type ScheduleChange struct {
	NewSchedule
	Reset []string `json:"reset,omitempty" maxItems:"7" enum:"jitter,catch_up,from,promote,note,training,interest" doc:"Settings to reset to their defaults, before the other settings are applied."`
}

// Schedule is the refresh schedule and its runs.
type Schedule struct {
	NewSchedule
	Runs      []ScheduledRun `json:"runs" doc:"The last ten runs, newest first."`
	Next      []time.Time    `json:"next" doc:"Next due times, without jitter. Empty while the schedule is paused."`
	Started   int            `json:"started" doc:"Total number of runs."`
	Missed    int            `json:"missed" doc:"Number of runs that could not start within catch_up."`
	Skipped   int            `json:"skipped" doc:"Number of runs that were due while another one was running."`
	Overdue   bool           `json:"overdue" doc:"A run is due and has not started: check Temporal and the worker."`
	ChangedAt time.Time      `json:"changed_at"`
}

// ScheduledRun is a run that was started by the schedule.
type ScheduledRun struct {
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"workflow_run_id"`
	TemporalUI string    `json:"temporal_ui,omitempty"`
	DueAt      time.Time `json:"due_at"`
	StartedAt  time.Time `json:"started_at"`
	Outcome    string    `json:"outcome" enum:"running,live,ready,superseded,refused,failed,cancelled,expired" doc:"Outcome of the run. expired: removed by Temporal after its retention."`
	Detail     string    `json:"detail,omitempty" doc:"The outcome as a sentence; the reason of a failure."`
	Version    int64     `json:"version,omitempty"`
}

// Schedule returns the schedule and its ETag, which changes only with its
// settings, not with its runs.
func (c *Client) Schedule(ctx context.Context) (s Schedule, etag string, err error) {
	answered, err := c.Do(ctx, http.MethodGet, "/schedule", nil, nil, nil, &s)
	return s, answered.Get("ETag"), err
}

// PutSchedule changes the schedule if it still has the etag, or creates it if
// etag is empty.
func (c *Client) PutSchedule(ctx context.Context, etag string, change ScheduleChange) (s Schedule, err error) {
	header := match(etag)
	if etag == "" {
		header = http.Header{"If-None-Match": {"*"}}
	}
	_, err = c.Do(ctx, http.MethodPut, "/schedule", nil, header, change, &s)
	return s, err
}

// DeleteSchedule deletes the schedule if it still has the etag.
func (c *Client) DeleteSchedule(ctx context.Context, etag string) error {
	_, err := c.Do(ctx, http.MethodDelete, "/schedule", nil, match(etag), nil, nil)
	return err
}
