// Package workflows defines the order of the steps: RefreshEmbeddings turns
// events into a live version, Backfill runs refreshes over a range, Sweep
// cleans up after runs that ended without doing so themselves.
//
// A workflow is a struct with the state of its run and one method per step. The
// exported names are what a client needs to start a workflow and to query its
// progress. The package imports the domain, the Temporal SDK, and package
// activities only for references to its methods and their argument types.
// Package activities documents what each step does and why it is idempotent.
//
// The tests replay recorded histories under testdata/histories, and fail on a
// change that would break a running workflow.
package workflows
