package apiclient

// The scopes of a token, from the narrowest to the widest. None includes another.
const (
	ScopeRecommend = "recommend" // read recommendations, similar items and explanations
	ScopeEvents    = "events"    // send events and read what became of them
	ScopeItems     = "items"     // update items
	ScopeRead      = "read"      // read versions, backfills, the schedule, the stream and quarantine
	ScopeOperate   = "operate"   // start backfills, promote, roll back, schedule
	ScopeAdmin     = "admin"     // tokens and the audit
)

// Scopes lists every scope, from the narrowest to the widest.
func Scopes() []string {
	return []string{ScopeRecommend, ScopeEvents, ScopeItems, ScopeRead, ScopeOperate, ScopeAdmin}
}
