// Package recommend turns a user into a ranked list:
//
//	user → state under a version → (fold-in of uncovered events) → search → list
//
// A list names the stage that produced it, so a fallback cannot be mistaken for
// a personalized list. Interest weights and the fold-in are in internal/recsys,
// and the searches of Postgres in internal/postgres/embeddings.
package recommend
