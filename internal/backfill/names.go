package backfill

// Types of workflows.
const (
	RefreshWorkflow = "RefreshEmbeddings"
	Workflow        = "Backfill"
	PlanWorkflow    = "PlanBackfill"
	SweepWorkflow   = "Sweep"
)

// Search attributes of a refresh. They carry no user ids.
const (
	StageAttribute   = "RecflowStage"   // keyword
	RunIDAttribute   = "RecflowRunId"   // keyword
	VersionAttribute = "RecflowVersion" // integer
	OutcomeAttribute = "RecflowOutcome" // keyword
)

// The stages of a refresh, in order. StageDone is entered however it ends.
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

// How a refresh ends.
const (
	OutcomeLive       = "live"       // the version serves
	OutcomeReady      = "ready"      // the version passed its gates; promotion was not asked for
	OutcomeSuperseded = "superseded" // ready, but a version with later events went live meanwhile
	OutcomeRefused    = "refused"    // a gate refused the version, which stays inspectable
	OutcomeFailed     = "failed"
	OutcomeCancelled  = "cancelled"
)
