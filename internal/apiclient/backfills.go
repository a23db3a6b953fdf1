package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// NewBackfill is a request for a backfill.
type NewBackfill struct {
	Kind        string    `json:"kind" enum:"refresh,as_of,lists" doc:"refresh: one training on [from, to). as_of: one training for each step of [from, to), each on all events before its end; their versions are for evaluation. lists: the lists of all users under a version, as Parquet files in the bucket."`
	From        time.Time `json:"from,omitzero" doc:"Start of the range, inclusive. Defaults to the first event for a refresh."`
	To          time.Time `json:"to,omitzero" doc:"End of the range, exclusive. Defaults to the next whole second."`
	Step        string    `json:"step,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"Step of an as_of, such as 7d or 36h." example:"30d"`
	Promote     bool      `json:"promote,omitempty" doc:"Promote the version of a refresh if no gate refuses it."`
	Rerun       string    `json:"rerun,omitempty" enum:"missing,failed,all" default:"missing" doc:"What to run again, given earlier backfills with the same parameters: missing: what never succeeded. failed: what failed and never succeeded. all: everything."`
	MaxParallel int       `json:"max_parallel,omitempty" minimum:"1" maximum:"8" default:"1" doc:"Number of windows to run in parallel."`
	DryRun      bool      `json:"dry_run,omitempty" doc:"Return the plan and start nothing."`
	Training    *Training `json:"training,omitempty" doc:"Training parameters of a refresh or an as_of."`

	Lists *ListOptions `json:"lists,omitempty" doc:"Settings of lists. The other fields that apply to lists are max_parallel and dry_run."`
}

// ListOptions are the settings of a lists backfill. Zero values mean the defaults.
type ListOptions struct {
	Version     int64    `json:"version,omitempty" minimum:"0" doc:"Version to make the lists from. Defaults to the version that is live at the time of the request." example:"12"`
	K           int      `json:"k,omitempty" minimum:"1" maximum:"1000" default:"100" doc:"Length of each list."`
	Category    string   `json:"category,omitempty" maxLength:"1024" doc:"Only items of this category."`
	Tags        []string `json:"tags,omitempty" maxItems:"20" doc:"Only items with all of these tags."`
	ExcludeSeen string   `json:"exclude_seen,omitempty" enum:"all,none" default:"all" doc:"Which of the items that each user has interacted with to exclude."`
	Users       string   `json:"users,omitempty" maxLength:"1024" doc:"Key of a file of user ids in the bucket, under list-users/: one a line, or the column user_id of CSV, JSON Lines or Parquet. Defaults to all users that the version or a later event knows." example:"list-users/campaign.csv"`
	Windows     int      `json:"windows,omitempty" minimum:"1" maximum:"2000" doc:"Number of windows that the users are divided into. Workers share the windows. Defaults to one for each 20,000 users, at most 32; with a file of users, to 1."`
}

// Values of Training.Index.
const (
	IndexAuto = "auto"
	IndexHNSW = "hnsw"
	IndexNone = "none"
)

// Training is the parameters of a training. Zero values mean the defaults of the
// trainer.
type Training struct {
	Trainer                string            `json:"trainer,omitempty" enum:"auto,als,mllib" default:"auto" doc:"als: implicit ALS on the driver of the job or on its executors, with settings chosen from the data. mllib: implicit ALS of Spark MLlib, for factors that fit on neither. auto: als if it fits."`
	Rank                   int               `json:"rank,omitempty" minimum:"1" maximum:"1024" doc:"Dimension of the embeddings. Default of als: 64 to 512, by the structure in the data and what the readers can hold in memory. Default of mllib: 64." example:"128"`
	Iterations             int               `json:"iterations,omitempty" minimum:"1" maximum:"100" doc:"Default of als: 6. Default of mllib: 12." example:"6"`
	Alpha                  float64           `json:"alpha,omitempty" exclusiveMinimum:"0" maximum:"1000000" doc:"Confidence added per unit of interest weight. Default of als: 5 by the mean weight. Default of mllib: 2." example:"2"`
	Regularization         float64           `json:"regularization,omitempty" exclusiveMinimum:"0" maximum:"1000000" doc:"als: regularization of a user with the mean number of items, by default chosen from the data. mllib: regularization for each item of a user, by default 0.1." example:"30"`
	RegularizationExponent *float64          `json:"regularization_exponent,omitempty" minimum:"0" maximum:"2" doc:"als only: exponent of a user's number of items in the regularization. 0: the same for all users. 1: proportional. Default: 0.5." example:"0.5"`
	Seed                   *int64            `json:"seed,omitempty" example:"42"`
	HalfLife               string            `json:"half_life,omitempty" maxLength:"20" doc:"Age at which the weight of an event is halved: 90d, 36h or never. Takes precedence over half_life of interest." example:"90d"`
	Index                  string            `json:"index,omitempty" enum:"auto,hnsw,none" doc:"Index of the version in Postgres. auto: HNSW for more than 10,000 items, unless every process that serves lists can hold the items in memory."`
	AcceptGates            map[string]string `json:"accept_gates,omitempty" doc:"Gates whose refusal is overridden, each with the reason."`

	Interest *recsys.InterestSettings `json:"interest,omitempty" doc:"What an event says about a user's interest. Absent fields have their defaults."`
}

// Backfill is a backfill and its progress.
type Backfill struct {
	backfill.Backfill
	Windows    []Window  `json:"windows,omitempty" doc:"In chronological order. Absent in a list of backfills."`
	Manifest   string    `json:"manifest,omitempty" doc:"Key of the manifest of lists, once the backfill has succeeded. It names their files." example:"lists/run=20250109T033100Z-7k2mxq4c/_manifest.json"`
	TemporalUI string    `json:"temporal_ui,omitempty" doc:"URL of the workflow in the Temporal UI."`
	ETA        time.Time `json:"eta,omitzero" doc:"Estimated end, based on earlier windows and versions."`
}

// Window is one training of a backfill with its progress, or the lists of one range
// of users.
type Window struct {
	backfill.Window
	Progress   *Progress `json:"progress,omitempty" doc:"Progress while it runs. For a refresh also afterwards, while Temporal retains its history and a worker is available."`
	TemporalUI string    `json:"temporal_ui,omitempty"`
	ETA        time.Time `json:"eta,omitzero" doc:"Estimated end while it runs, based on earlier windows and versions."`
}

// Progress is the progress of a training and its load.
type Progress struct {
	Stage        string          `json:"stage" example:"load"`
	Detail       string          `json:"detail,omitempty" doc:"Current activity within the stage or, after the end, the outcome as a sentence."`
	Outcome      string          `json:"outcome,omitempty" enum:"live,ready,superseded,refused,failed,cancelled" doc:"Set after the end. superseded: ready, but a version with later events was promoted in the meantime. refused: by a gate."`
	GlueRunID    string          `json:"glue_run_id,omitempty"`
	TrainDone    int             `json:"train_done,omitempty"`
	TrainTotal   int             `json:"train_total,omitempty"`
	RowsLoaded   int64           `json:"rows_loaded"`
	RowsTotal    int64           `json:"rows_total"`
	IndexPercent float64         `json:"index_percent"`
	Stages       []StageProgress `json:"stages" doc:"Stages entered so far, in order. A repeated stage appears again."`
	Dropped      []int64         `json:"dropped,omitempty" doc:"Older versions that were dropped afterwards."`
}

// StageProgress is the progress of one stage of a training.
type StageProgress struct {
	Stage     string    `json:"stage" example:"load"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Detail    string    `json:"detail,omitempty" doc:"Current activity within the stage, then its result."`
}

// Plan is what a backfill would do.
type Plan struct {
	Kind     string        `json:"kind"`
	From     time.Time     `json:"from,omitzero"`
	To       time.Time     `json:"to,omitzero"`
	Lists    *ListsPlan    `json:"lists,omitempty" doc:"Size of lists."`
	Run      int           `json:"run" doc:"Number of windows that would run."`
	Skip     int           `json:"skip" doc:"Number of windows that would be skipped."`
	Minutes  float64       `json:"minutes,omitempty" doc:"Estimated duration, based on earlier trainings or lists. Absent if there are none."`
	Windows  []PlanWindow  `json:"windows"`
	Warnings []PlanWarning `json:"warnings,omitempty" doc:"Reasons why the plan is not exact, at most 21. They do not prevent the backfill."`
}

// ListsPlan is the estimated size of lists.
type ListsPlan struct {
	Version int64 `json:"version"`
	Users   int64 `json:"users"`
	Bytes   int64 `json:"bytes" doc:"Estimated size of the files."`
}

// PlanWarning is something that a plan could not take into account.
type PlanWarning struct {
	File    string `json:"file,omitempty" doc:"Key of the object that the warning is about." example:"raw/interactions/dt=2025-01-09/part-0.parquet"`
	Message string `json:"message"`
}

// PlanWindow is the decision about a window, and the input of its training or the
// estimated size of its lists. Imported events are counted by whole days.
type PlanWindow struct {
	Index           int       `json:"index"`
	From            time.Time `json:"from,omitzero"`
	To              time.Time `json:"to,omitzero"`
	Decision        string    `json:"decision" enum:"run,skip"`
	Reason          string    `json:"reason"`
	Files           int       `json:"files"`
	Bytes           int64     `json:"bytes"`
	Rows            int64     `json:"rows"`
	RowsEstimated   bool      `json:"rows_estimated,omitempty" doc:"The number of rows is estimated: from the bytes, or for lists as a share of all users."`
	FilesUnreadable int       `json:"files_unreadable,omitempty" doc:"Number of files that cannot be read, such as damaged ones. Their rows are estimated from the bytes, and the training reports them."`
	Minutes         float64   `json:"minutes,omitempty"`
}

// Backfills is a page of backfills, newest first.
type Backfills struct {
	Items []Backfill `json:"items"`
	Next  string     `json:"next,omitempty" doc:"Cursor of the next page. Absent on the last page."`
}

// PlanBackfill returns what a backfill would do.
func (c *Client) PlanBackfill(ctx context.Context, n NewBackfill) (p Plan, err error) {
	n.DryRun = true
	_, err = c.Do(ctx, http.MethodPost, "/backfill", nil, nil, n, &p)
	return p, err
}

// StartBackfill starts a backfill. The same key with the same request starts it
// once; an empty key stands for the request itself.
func (c *Client) StartBackfill(ctx context.Context, n NewBackfill, key string) (b Backfill, err error) {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	_, err = c.Do(ctx, http.MethodPost, "/backfill", nil, header, n, &b)
	return b, err
}

// Backfill returns a backfill. It waits for at most the given time until the
// revision has changed.
func (c *Client) Backfill(ctx context.Context, id string, wait time.Duration, since int64) (b Backfill, err error) {
	q := url.Values{}
	if wait = min(wait, time.Minute); wait > 0 {
		q.Set("wait", number(wait.Milliseconds())+"ms")
		q.Set("since", number(since))
	}
	_, err = c.Do(ctx, http.MethodGet, "/backfill/"+segment(id), q, nil, nil, &b)
	return b, err
}

// Backfills returns a page of backfills.
func (c *Client) Backfills(ctx context.Context, cursor string, limit int) (b Backfills, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/backfill", page(cursor, limit), nil, nil, &b)
	return b, err
}

// CancelBackfill cancels a backfill.
func (c *Client) CancelBackfill(ctx context.Context, id string) (b Backfill, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/backfill/"+segment(id)+"/cancel", nil, nil, nil, &b)
	return b, err
}

// RetryBackfill retries the failed and cancelled windows.
func (c *Client) RetryBackfill(ctx context.Context, id string) (b Backfill, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/backfill/"+segment(id)+"/retry", nil, nil, nil, &b)
	return b, err
}
