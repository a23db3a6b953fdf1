// Package recsys holds what the words of recflow mean: an event, an item, the
// interest a user shows in an item, a version of embeddings, and the arithmetic
// that turns a set of events into a user's vector.
//
// It is pure: no I/O, no clock, no environment, no goroutines. Everything here
// is a function of its arguments, so the batch path, the stream and the gates
// can share it and cannot disagree. SQL belongs in internal/postgres, AWS
// calls in internal/awsclient, and ranking in internal/recommend.
package recsys
