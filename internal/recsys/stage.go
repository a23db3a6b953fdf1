package recsys

// The stages of a list: how it was made.
const (
	StagePersonalized = "personalized" // a trained user, with or without new events
	StageSession      = "session"      // no trained vector; folded in from live events and recent items
	StagePopular      = "popular"      // the user is unknown or has no events with weight
	StageSimilar      = "similar"      // the nearest items to an item
)
