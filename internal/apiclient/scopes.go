package apiclient

// The scopes of a token, from the least to the most privileged. None includes
// another.
const (
	ScopeRecommend = "recommend" // read recommendations, similar items and explanations
	ScopeEvents    = "events"    // send events and read their outcomes
	ScopeItems     = "items"     // update items
	ScopeRead      = "read"      // read versions, backfills, the schedule, the stream and quarantine
	ScopeOperate   = "operate"   // start backfills, promote, roll back, schedule
	ScopeAdmin     = "admin"     // tokens and the audit
)

// Scopes returns every scope, from the least to the most privileged.
func Scopes() []string {
	return []string{ScopeRecommend, ScopeEvents, ScopeItems, ScopeRead, ScopeOperate, ScopeAdmin}
}
