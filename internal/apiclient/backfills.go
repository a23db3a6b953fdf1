package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/recflow/recflow/internal/backfill"
)

// NewBackfill asks for a backfill.
type NewBackfill struct {
	Kind        string    `json:"kind" enum:"refresh,as_of" doc:"refresh: one training on [from, to). as_of: one training for each step of [from, to), each on everything before its end; their versions are for evaluation."`
	From        time.Time `json:"from,omitzero" doc:"Inclusive. A refresh begins with the first event when it is left out."`
	To          time.Time `json:"to,omitzero" doc:"Exclusive. The next whole second when left out."`
	Step        string    `json:"step,omitempty" maxLength:"20" pattern:"^[0-9]+(\\.[0-9]+)?(d|h|m|s)([0-9hms.]*)$" doc:"Of an as_of: 7d, 36h." example:"30d"`
	Promote     bool      `json:"promote,omitempty" doc:"Of a refresh: make the version live when no gate refuses it."`
	Rerun       string    `json:"rerun,omitempty" enum:"missing,failed,all" default:"missing" doc:"What to run of what earlier backfills with the same parameters did: what never succeeded, what failed, or everything."`
	MaxParallel int       `json:"max_parallel,omitempty" minimum:"1" maximum:"8" default:"1" doc:"Slices at a time."`
	DryRun      bool      `json:"dry_run,omitempty" doc:"Only say what would happen."`
	Training    *Training `json:"training,omitempty" doc:"How to train; the defaults when left out."`
}

// Training says how to train. What is left out is the default.
type Training struct {
	Rank           int               `json:"rank,omitempty" minimum:"1" maximum:"1024" doc:"The dimension of the embeddings." example:"64"`
	Iterations     int               `json:"iterations,omitempty" minimum:"1" maximum:"100" example:"12"`
	Alpha          float64           `json:"alpha,omitempty" exclusiveMinimum:"0" maximum:"1000000" doc:"How much a unit of interest adds to the confidence." example:"2"`
	Regularization float64           `json:"regularization,omitempty" exclusiveMinimum:"0" maximum:"1000000" example:"0.1"`
	Seed           *int64            `json:"seed,omitempty" example:"42"`
	HalfLife       string            `json:"half_life,omitempty" maxLength:"20" doc:"The age at which an event counts half: 90d, 36h or never." example:"90d"`
	Search         string            `json:"search,omitempty" enum:"exact,hnsw" doc:"How the version is searched; its size decides when left out."`
	AcceptGates    map[string]string `json:"accept_gates,omitempty" doc:"Gates whose refusal is accepted, each with the reason why."`
}

// Backfill is a backfill and what can be said of it now.
type Backfill struct {
	backfill.Backfill
	Slices     []Slice   `json:"slices,omitempty" doc:"In order of time; none in a list of backfills."`
	TemporalUI string    `json:"temporal_ui,omitempty" doc:"Where people watch the workflow."`
	ETA        time.Time `json:"eta,omitzero" doc:"When it should be over, judged by slices and versions that are."`
}

// Slice is one training of a backfill, and how far it is.
type Slice struct {
	backfill.Slice
	Progress   *Progress `json:"progress,omitempty" doc:"While it runs; of a refresh also afterwards, as long as Temporal keeps its history and a worker answers."`
	TemporalUI string    `json:"temporal_ui,omitempty"`
	ETA        time.Time `json:"eta,omitzero" doc:"While it runs: when it should be over, judged by slices and versions that are."`
}

// Progress says how far a training and its load are.
type Progress struct {
	Stage        string          `json:"stage" example:"load"`
	Detail       string          `json:"detail,omitempty" doc:"What is happening inside the stage or, after the end, the outcome in words, for people."`
	Outcome      string          `json:"outcome,omitempty" enum:"live,ready,superseded,refused,failed,cancelled" doc:"After the end. superseded: ready, but a version with later events went live meanwhile. refused: by a gate."`
	GlueRunID    string          `json:"glue_run_id,omitempty"`
	TrainDone    int             `json:"train_done,omitempty"`
	TrainTotal   int             `json:"train_total,omitempty"`
	RowsLoaded   int64           `json:"rows_loaded"`
	RowsTotal    int64           `json:"rows_total"`
	IndexPercent float64         `json:"index_percent"`
	Stages       []StageProgress `json:"stages" doc:"The stages entered so far, in order. A stage that is repeated appears again."`
	Dropped      []int64         `json:"dropped,omitempty" doc:"Older versions that were removed afterwards."`
}

// StageProgress is a stage that a training has entered.
type StageProgress struct {
	Stage  string    `json:"stage" example:"load"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Detail string    `json:"detail,omitempty" doc:"What is happening inside the stage, then its result, for people."`
}

// Plan says what a backfill would do.
type Plan struct {
	Kind     string        `json:"kind"`
	From     time.Time     `json:"from,omitzero"`
	To       time.Time     `json:"to"`
	Run      int           `json:"run" doc:"How many slices would run."`
	Skip     int           `json:"skip" doc:"How many would not."`
	Minutes  float64       `json:"minutes,omitempty" doc:"How long it may take, judged by past runs; left out when there are none."`
	Slices   []PlanSlice   `json:"slices"`
	Warnings []PlanWarning `json:"warnings,omitempty" doc:"What keeps the plan from being exact, at most 21 entries. It does not keep a backfill from starting."`
}

// PlanWarning is something that a plan could not take into account.
type PlanWarning struct {
	File    string `json:"file,omitempty" doc:"The key of the object that the warning is about." example:"raw/interactions/dt=2025-01-09/part-0.parquet"`
	Message string `json:"message"`
}

// PlanSlice says what would become of a slice, and what its training would read.
// What was imported is counted by whole days.
type PlanSlice struct {
	Index      int       `json:"index"`
	From       time.Time `json:"from,omitzero"`
	To         time.Time `json:"to"`
	Decision   string    `json:"decision" enum:"run,skip"`
	Reason     string    `json:"reason"`
	Files      int       `json:"files"`
	Bytes      int64     `json:"bytes"`
	Rows       int64     `json:"rows"`
	Guessed    bool      `json:"rows_guessed,omitempty" doc:"The rows are worked out from the bytes."`
	Unreadable int       `json:"files_unreadable,omitempty" doc:"How many of the files cannot be read, such as damaged ones: their rows are worked out from the bytes, and the training reports them."`
	Minutes    float64   `json:"minutes,omitempty"`
}

// Backfills is a page of backfills, newest first.
type Backfills struct {
	Items []Backfill `json:"items"`
	Next  string     `json:"next,omitempty" doc:"The cursor of the next page; none when this is the last."`
}

// PlanBackfill asks what a backfill would do.
func (c *Client) PlanBackfill(ctx context.Context, n NewBackfill) (p Plan, err error) {
	n.DryRun = true
	_, err = c.Do(ctx, http.MethodPost, "/backfill", nil, nil, n, &p)
	return p, err
}

// StartBackfill starts a backfill. The same key with the same request starts it
// once; an empty key is the request's own.
func (c *Client) StartBackfill(ctx context.Context, n NewBackfill, key string) (b Backfill, err error) {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	_, err = c.Do(ctx, http.MethodPost, "/backfill", nil, header, n, &b)
	return b, err
}

// Backfill asks for a backfill, and waits at most so long until it has changed
// since the revision.
func (c *Client) Backfill(ctx context.Context, id string, wait time.Duration, since int64) (b Backfill, err error) {
	q := url.Values{}
	if wait = min(wait, time.Minute); wait > 0 {
		q.Set("wait", number(wait.Milliseconds())+"ms")
		q.Set("since", number(since))
	}
	_, err = c.Do(ctx, http.MethodGet, "/backfill/"+segment(id), q, nil, nil, &b)
	return b, err
}

// Backfills lists a page of backfills.
func (c *Client) Backfills(ctx context.Context, cursor string, limit int) (b Backfills, err error) {
	_, err = c.Do(ctx, http.MethodGet, "/backfill", page(cursor, limit), nil, nil, &b)
	return b, err
}

// CancelBackfill asks for the end of a backfill.
func (c *Client) CancelBackfill(ctx context.Context, id string) (b Backfill, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/backfill/"+segment(id)+"/cancel", nil, nil, nil, &b)
	return b, err
}

// RetryBackfill runs the slices again that failed or were cancelled.
func (c *Client) RetryBackfill(ctx context.Context, id string) (b Backfill, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/backfill/"+segment(id)+"/retry", nil, nil, nil, &b)
	return b, err
}
