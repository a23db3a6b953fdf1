package recsys

// User is a user of a version.
type User struct {
	ID      string
	Vector  []float32 // nil when nothing in the history counts
	History History
}

// UserState is what a version knows of a user and the streamed events that it
// has not covered, in (occurred_at, event_id) order. A user of whom nothing is
// known has no vector, no history and no events.
type UserState struct {
	User
	Events []Event
}
