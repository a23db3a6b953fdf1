package apiclient

// The scopes of a token, from the least to the most privileged. None includes
// another.
const (
	ScopeRecommend = "recommend" // read recommendations, similar items and explanations
	ScopeEvents    = "events"    // send events and read their outcomes
	ScopeItems     = "items"     // update items, apply the imported catalogs
	ScopeRead      = "read"      // read versions, a sample of their users, backfills, the schedule, the stream and the list of quarantined records
	ScopeOperate   = "operate"   // backfills, promote, roll back, pin, delete, the schedule, and the bytes of quarantined records
	ScopeAdmin     = "admin"     // tokens and the audit
)

// Scopes returns every scope, from the least to the most privileged.
func Scopes() []string {
	return []string{ScopeRecommend, ScopeEvents, ScopeItems, ScopeRead, ScopeOperate, ScopeAdmin}
}
