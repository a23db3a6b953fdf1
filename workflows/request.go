package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// RefreshEmbeddings is the workflow type that trains on events and makes a
// version of the result. Its argument is a RefreshRequest, its result a
// RefreshResult.
const RefreshEmbeddings = backfill.RefreshWorkflow

// RefreshRequest configures a refresh: the events to train on, the training,
// and the promotion.
type RefreshRequest struct {
	From time.Time `json:"from,omitzero"` // inclusive; zero: all events before To
	To   time.Time `json:"to"`            // exclusive; set by the client, or at its start by a scheduled run

	// Scheduled is set in the request of a schedule: To is zero, and becomes
	// the time when the run starts.
	Scheduled bool `json:"scheduled,omitempty"`

	recsys.Training

	Interest recsys.Interest `json:"interest"`

	// Search is how the version is searched; nil chooses by its size.
	Search *recsys.Search `json:"search,omitempty"`

	// AcceptGates overrides refusals of gates: gate name to the reason for the
	// override.
	AcceptGates map[string]string `json:"accept_gates,omitempty"`

	// Promote makes the version live if no gate refuses it.
	Promote bool `json:"promote"`

	// Evaluation marks a version that only measures the quality of such a
	// training: it is never promoted, and other refreshes train first.
	Evaluation bool `json:"evaluation,omitempty"`

	// Actor is the user who requested the refresh, for the audit of promotions.
	// It is not part of the workflow id: the same request by two users starts
	// one refresh.
	Actor string `json:"actor,omitempty"`
}

// DefaultRefresh returns a request for everything before to, with the defaults of
// the trainer, promoted if the gates pass.
func DefaultRefresh(to time.Time) RefreshRequest {
	return RefreshRequest{
		To:       to.UTC().Truncate(time.Second),
		Training: recsys.Training{Seed: 42},
		Interest: recsys.DefaultInterest(),
		Promote:  true,
	}
}

// Validate returns all mistakes in the request.
func (r RefreshRequest) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.To.IsZero() {
		bad("to is missing: give the end of the events to train on")
	}
	if !r.From.IsZero() && !r.From.Before(r.To) {
		bad("from %s is not before to %s", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
	if err := r.Training.Validate(); err != nil {
		errs = append(errs, err)
	}
	//workflowcheck:ignore — it ranges over a map; only which mistake it reports can vary
	if err := r.Interest.Validate(); err != nil {
		errs = append(errs, err)
	}
	if r.Evaluation && r.Promote {
		bad("a version for evaluation cannot be promoted by its own refresh")
	}
	if r.Search != nil && r.Search.Method != recsys.Exact && r.Search.Method != recsys.HNSW {
		bad("search method %q is not %s or %s", r.Search.Method, recsys.Exact, recsys.HNSW)
	}
	for _, gate := range sortedKeys(r.AcceptGates) {
		if !slices.Contains(recsys.GateNames(), gate) {
			bad("gate %q does not exist; the gates are %v", gate, recsys.GateNames())
		}
		if r.AcceptGates[gate] == "" {
			bad("gate %s: a reason is needed to accept it", gate)
		}
	}
	return errors.Join(errs...)
}

// resolved returns the request of a run that started at then. If it is
// scheduled, its To is then.
func (r RefreshRequest) resolved(start time.Time) RefreshRequest {
	if r.Scheduled && r.To.IsZero() {
		r.To = start.UTC().Truncate(time.Second)
	}
	return r
}

// idTime is the layout of a time inside an id: sortable and without colons.
const idTime = "20060102T150405Z"

// RefreshWorkflowID returns the workflow id of r. It is readable, and the same
// for the same request, so a repeated request starts one workflow.
func RefreshWorkflowID(r RefreshRequest) string {
	r.Actor = ""
	r.From, r.To = r.From.UTC(), r.To.UTC()
	// Marshaling a struct of numbers, strings and string maps cannot fail, and
	// writes map keys in order.
	data, _ := json.Marshal(r)
	sum := sha256.Sum256(data)
	return "refresh-" + backfill.Span(r.From, r.To) + "-" + hex.EncodeToString(sum[:4])
}

// runID returns the id of the training run of a workflow run: the end of its
// events, and the last digits of the Temporal run id (the first ones are a
// timestamp).
func runID(to time.Time, temporalRunID string) string {
	return to.UTC().Format(idTime) + "-" + temporalRunID[max(0, len(temporalRunID)-8):]
}

// sortedKeys returns the keys of a map in order.
//
//workflowcheck:ignore
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
