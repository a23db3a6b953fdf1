package workflows

import "go.temporal.io/sdk/temporal"

// Search attributes of a refresh. They carry no user ids.
var (
	StageAttribute   = temporal.NewSearchAttributeKeyKeyword("RecflowStage")
	RunIDAttribute   = temporal.NewSearchAttributeKeyKeyword("RecflowRunId")
	VersionAttribute = temporal.NewSearchAttributeKeyInt64("RecflowVersion")
	OutcomeAttribute = temporal.NewSearchAttributeKeyKeyword("RecflowOutcome")
)

// SearchAttributes lists the search attributes that a namespace must know
// before a refresh runs in it.
func SearchAttributes() []temporal.SearchAttributeKey {
	return []temporal.SearchAttributeKey{StageAttribute, RunIDAttribute, VersionAttribute, OutcomeAttribute}
}
