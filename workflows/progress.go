package workflows

import (
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// ProgressQuery is the query a refresh answers with a Progress.
const ProgressQuery = "progress"

// The stages of a refresh, in order. Done is entered however it ends.
const (
	StagePrepare = backfill.StagePrepare
	StageStart   = backfill.StageStart
	StageTrain   = backfill.StageTrain
	StageRead    = backfill.StageRead
	StageCreate  = backfill.StageCreate
	StageLoad    = backfill.StageLoad
	StageIndex   = backfill.StageIndex
	StageVerify  = backfill.StageVerify
	StagePromote = backfill.StagePromote
	StagePrune   = backfill.StagePrune
	StageDone    = backfill.StageDone
)

// Stages lists the stages of a refresh in order, without StageDone.
func Stages() []string {
	return []string{StagePrepare, StageStart, StageTrain, StageRead, StageCreate,
		StageLoad, StageIndex, StageVerify, StagePromote, StagePrune}
}

// How a refresh ends.
const (
	OutcomeLive       = backfill.OutcomeLive       // the version serves
	OutcomeReady      = backfill.OutcomeReady      // the version passed its gates; promotion was not asked for
	OutcomeSuperseded = backfill.OutcomeSuperseded // ready, but a version with later events went live meanwhile
	OutcomeRefused    = backfill.OutcomeRefused    // a gate refused the version, which stays inspectable
	OutcomeFailed     = backfill.OutcomeFailed
	OutcomeCancelled  = backfill.OutcomeCancelled
)

// Progress is how far a refresh is: the answer to ProgressQuery.
type Progress struct {
	Stage   string `json:"stage"`
	Detail  string `json:"detail,omitempty"`  // what is happening inside the stage, for people
	Outcome string `json:"outcome,omitempty"` // set at the end

	WorkflowRunID string `json:"workflow_run_id,omitempty"`

	RunID     string `json:"run_id"`
	GlueRunID string `json:"glue_run_id,omitempty"`
	Version   int64  `json:"version,omitempty"`

	TrainDone  int `json:"train_done,omitempty"` // units of the present part of the training, for example iterations
	TrainTotal int `json:"train_total,omitempty"`

	FilesDone    int     `json:"files_done"`
	FilesTotal   int     `json:"files_total"`
	RowsLoaded   int64   `json:"rows_loaded"`
	RowsTotal    int64   `json:"rows_total"`
	IndexPercent float64 `json:"index_percent"`

	Gates   []recsys.GateResult `json:"gates,omitempty"`
	Dropped []int64             `json:"dropped,omitempty"` // older versions that were pruned
	Started time.Time           `json:"started"`
	Stages  []StageProgress     `json:"stages"` // those entered so far; one that is repeated appears again
}

// StageProgress is one stage that was entered.
type StageProgress struct {
	Stage  string    `json:"stage"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"`
	Detail string    `json:"detail,omitempty"` // its last detail, then its result
}

// RefreshResult is what came of a refresh that did not fail.
type RefreshResult struct {
	RunID   string              `json:"run_id"`
	Version int64               `json:"version"`
	State   recsys.State        `json:"state"`
	Live    bool                `json:"live"`
	Outcome string              `json:"outcome"`          // live, ready or superseded
	Detail  string              `json:"detail,omitempty"` // one sentence for people
	Gates   []recsys.GateResult `json:"gates"`
	Dropped []int64             `json:"dropped,omitempty"` // older versions that were pruned
}
