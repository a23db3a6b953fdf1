// Package workflows says what happens in which order: RefreshEmbeddings turns
// events into a live version, Sweep cleans up after runs that ended without
// doing so themselves.
//
// A workflow here is a struct that holds the state of its run and one method a
// step; the exported names are what a client needs to start one and to ask it
// how far it is. It imports the domain and the Temporal SDK, and the activities
// only for references to their methods and for the types of their arguments.
// What a step does, and why it may run twice, is told in package activities.
//
// Recorded histories under testdata/histories are replayed by the tests: a
// change that would break a run under way fails there.
package workflows
