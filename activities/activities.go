// Package activities holds what the steps of a workflow do. One file is one
// step: its argument, its result, and a comment that says what makes it safe to
// run twice, because any of them may be.
//
// Activities have the clients as a struct and keep no state between calls.
// Their payloads are small whatever the size of a run: a version number and the
// index of a file, never the list of files. Errors that no retry can help get
// their type in errors.go, at the one edge that every activity passes.
package activities

import (
	"io"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/gates"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/telemetry"
)

// Activities is what the steps work with. All fields are safe for concurrent use.
type Activities struct {
	Versions *versions.Store
	Events   *events.Store
	Ledger   *ledger.Store
	S3       *awsclient.S3
	Glue     *awsclient.Glue
	Gates    *gates.Checker
	Temporal client.Client  // tells a workflow about progress, and whether an owner still runs
	Outcomes *awsclient.SNS // where outcomes are published; nil: nowhere
	Metrics  io.Writer      // where metrics are written; nil: nowhere

	// Dimensions tell the metrics of this installation from those of others.
	Dimensions []telemetry.Dimension
	// StoredMargin is subtracted from the start of a refresh to get stored_to.
	StoredMargin time.Duration
	// PollEvery is the time between two looks at a Glue run.
	PollEvery time.Duration
	// LoadParallel is how many files of a version are loaded at once.
	LoadParallel int
	// ReaderTTL is how long a reader may act on a version it resolved earlier.
	ReaderTTL time.Duration
	// EventRetention is how long the stream may still deliver an event again.
	EventRetention time.Duration
	// TemporalUI is the address of the Temporal UI, for links; empty: no links.
	TemporalUI string
	// TempDir holds downloads; empty for the system's.
	TempDir string
}
