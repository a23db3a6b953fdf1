// Package recommend goes from a user to a ranked list:
//
//	user → state under a version → (fold-in of what the version has not counted) → search → list
//
// A list names the stage it comes from, so that nobody mistakes a fallback for
// a personal list. What an event weighs and how a vector is solved for belongs
// in internal/recsys, how items are found in internal/postgres/embeddings.
package recommend
