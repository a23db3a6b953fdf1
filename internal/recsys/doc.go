// Package recsys defines the domain: an event, an item, a user's interest in an
// item, a version of embeddings, and the arithmetic that turns a set of events
// into a user's vector.
//
// It is pure: no I/O, no clock, no environment, no goroutines. Every result
// depends only on the arguments, so the batch path, the stream and the gates
// share the code and get equal results. SQL belongs in internal/postgres, AWS
// calls in internal/awsclient, and ranking in internal/recommend.
package recsys
