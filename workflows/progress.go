package workflows

import (
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// ProgressQuery is the query that returns the Progress of a refresh.
const ProgressQuery = "progress"

// The stages of a refresh, in order. Every refresh ends in StageDone, whatever
// its outcome.
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

// The outcomes of a refresh.
const (
	OutcomeLive       = backfill.OutcomeLive       // the version is live
	OutcomeReady      = backfill.OutcomeReady      // the version passed its gates; promotion was not requested
	OutcomeSuperseded = backfill.OutcomeSuperseded // ready, but a version with later events was promoted in the meantime
	OutcomeRefused    = backfill.OutcomeRefused    // a gate refused the version, which is kept for inspection
	OutcomeFailed     = backfill.OutcomeFailed
	OutcomeCancelled  = backfill.OutcomeCancelled
)

// Progress is the progress of a refresh, the result of ProgressQuery.
type Progress struct {
	Stage   string `json:"stage"`
	Detail  string `json:"detail,omitempty"`  // current activity within the stage, for people
	Outcome string `json:"outcome,omitempty"` // set when the refresh ends

	WorkflowRunID string `json:"workflow_run_id,omitempty"`

	RunID     string `json:"run_id"`
	GlueRunID string `json:"glue_run_id,omitempty"`
	Version   int64  `json:"version,omitempty"`

	TrainDone  int `json:"train_done,omitempty"` // units of the current part of the training, for example iterations
	TrainTotal int `json:"train_total,omitempty"`

	FilesDone    int     `json:"files_done"`
	FilesTotal   int     `json:"files_total"`
	RowsLoaded   int64   `json:"rows_loaded"`
	RowsTotal    int64   `json:"rows_total"`
	IndexPercent float64 `json:"index_percent"`

	Gates     []recsys.GateResult `json:"gates,omitempty"`
	Dropped   []int64             `json:"dropped,omitempty"` // older versions that were pruned
	StartedAt time.Time           `json:"started_at"`
	Stages    []StageProgress     `json:"stages"` // entered so far; a repeated stage appears again
}

// StageProgress is the progress of one stage.
type StageProgress struct {
	Stage     string    `json:"stage"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Detail    string    `json:"detail,omitempty"` // the last detail of the stage, then its result
}

// RefreshResult is the result of a refresh that did not fail.
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
