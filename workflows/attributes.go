package workflows

import (
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/backfill"
)

// Search attributes of a refresh. They contain no user ids.
var (
	StageAttribute   = temporal.NewSearchAttributeKeyKeyword(backfill.StageAttribute)
	RunIDAttribute   = temporal.NewSearchAttributeKeyKeyword(backfill.RunIDAttribute)
	VersionAttribute = temporal.NewSearchAttributeKeyInt64(backfill.VersionAttribute)
	OutcomeAttribute = temporal.NewSearchAttributeKeyKeyword(backfill.OutcomeAttribute)
)

// SearchAttributes lists the search attributes that must be registered in the
// namespace before a refresh runs.
func SearchAttributes() []temporal.SearchAttributeKey {
	return []temporal.SearchAttributeKey{StageAttribute, RunIDAttribute, VersionAttribute, OutcomeAttribute}
}
