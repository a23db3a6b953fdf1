package backfill

// Types of workflows.
const (
	RefreshWorkflow   = "RefreshEmbeddings"
	Workflow          = "Backfill"
	PlanWorkflow      = "PlanBackfill"
	SweepWorkflow     = "Sweep"
	RedeliverWorkflow = "RedeliverEvents"
)

// Search attributes of a refresh. They contain no user ids.
const (
	StageAttribute   = "RecflowStage"   // keyword
	RunIDAttribute   = "RecflowRunId"   // keyword
	VersionAttribute = "RecflowVersion" // integer
	OutcomeAttribute = "RecflowOutcome" // keyword
)

// The stages of a refresh, in order. Every refresh ends in StageDone, whatever
// its outcome.
const (
	StagePrepare = "prepare"
	StageStart   = "start"
	StageTrain   = "train"
	StageRead    = "read"
	StageCreate  = "create"
	StageLoad    = "load"
	StageIndex   = "index"
	StageVerify  = "verify"
	StagePromote = "promote"
	StagePrune   = "prune"
	StageDone    = "done"
)

// The outcomes of a refresh.
const (
	OutcomeLive       = "live"       // the version is live
	OutcomeReady      = "ready"      // the version passed its gates; promotion was not requested
	OutcomeSuperseded = "superseded" // ready, but a version with later events was promoted in the meantime
	OutcomeRefused    = "refused"    // a gate refused the version, which is kept for inspection
	OutcomeFailed     = "failed"
	OutcomeCancelled  = "cancelled"
)
