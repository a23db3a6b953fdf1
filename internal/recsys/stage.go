package recsys

// The stages of a list say how it was made, from what is known best to what is not
// known at all.
const (
	StagePersonalized = "personalised" // a trained user, with or without new events
	StageSession      = "session"      // no trained vector; folded in from live events and recent items alone
	StagePopular      = "popular"      // nothing that counts is known of the user
	StageSimilar      = "similar"      // the items nearest to an item
)
