package recsys

// User is a user of a version.
type User struct {
	ID      string
	Vector  []float32 // nil if the history has no weight
	History History
}

// UserState is a user's history in a version and the user's uncovered streamed
// events, in (occurred_at, event_id) order. An unknown user has no vector, no
// history and no events.
type UserState struct {
	User
	Events []Event
}
