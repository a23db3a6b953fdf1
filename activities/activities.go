// Package activities implements the steps of the workflows. One file is one
// step: its input, its result, and a comment that says what makes it
// idempotent, because Temporal may run any step twice.
//
// Activities is a struct of clients and keeps no state between calls. Payloads
// are small whatever the size of a run: a version number and the index of a
// file, never the list of files. Errors that no retry can fix get their
// Temporal type in one place (edge.go, errors.go).
package activities

import (
	"io"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/gates"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/telemetry"
)

// Activities has the dependencies of the steps. All fields are safe for
// concurrent use.
type Activities struct {
	Versions   *versions.Store
	Embeddings *embeddings.Store
	Events     *events.Store
	Ledger     *ledger.Store
	Search     *recommend.Slot // memory for the searches of the gates and of WriteLists, one at a time
	S3         *awsclient.S3
	Glue       *awsclient.Glue
	Gates      *gates.Checker
	Temporal   client.Client  // sends progress to workflows, and looks up whether an owner is running
	Outcomes   *awsclient.SNS // publishes outcomes; nil: outcomes are not published
	Metrics    io.Writer      // gets metrics; nil: no metrics

	// Dimensions identify this installation in its metrics.
	Dimensions []telemetry.Dimension
	// StoredMargin is subtracted from the start of a refresh to get stored_to.
	StoredMargin time.Duration
	// PollEvery is the interval between two polls of a Glue run.
	PollEvery time.Duration
	// LoadParallel is the number of files of a version that are loaded in
	// parallel.
	LoadParallel int
	// SearchMemory is the limit of Search in bytes.
	SearchMemory int64
	// ReaderTTL is how long a reader may use a version that it resolved
	// earlier.
	ReaderTTL time.Duration
	// EventRetention is how long the stream can deliver an event again.
	EventRetention time.Duration
	// TemporalUI is the URL of the Temporal UI, for links; empty: no links.
	TemporalUI string
	// TempDir is the directory for downloads; empty: the system's default.
	TempDir string
}
