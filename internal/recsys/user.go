package recsys

// User is a user of a version.
type User struct {
	ID      string
	Vector  []float32 // nil if the history has no weight
	History History
}

// MaxUserEvents is how many uncovered events of a user are folded in: the newest by
// (occurred_at, event_id) that are not impressions. The events alone decide which
// these are, not the items or the weights of a version.
const MaxUserEvents = 5_000

// MaxNotFolded is the largest UserState.NotFolded. It limits the time to count.
const MaxNotFolded = 1_000

// UserState is a user's history in a version and the user's uncovered streamed
// events without impressions: the newest MaxUserEvents, in (occurred_at, event_id)
// order. An unknown user has no vector, no history and no events.
type UserState struct {
	User
	Events    []Event
	NotFolded int // older uncovered events without impressions; MaxNotFolded: that many or more
}

// Includes reports whether the uncovered event e, which is not an impression, is in
// Events and not older than the newest MaxUserEvents.
func (s UserState) Includes(e Event) bool {
	return s.NotFolded == 0 || len(s.Events) > 0 && compareEvents(e, s.Events[0]) >= 0
}
