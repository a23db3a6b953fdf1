package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/recsys"
)

// RefreshEmbeddings is the workflow type that trains on events and makes a
// version of the result. Its argument is a RefreshRequest, its result a
// RefreshResult.
const RefreshEmbeddings = backfill.RefreshWorkflow

// RefreshRequest says what to train on, how, and what to do with the result.
type RefreshRequest struct {
	From time.Time `json:"from,omitzero"` // inclusive; zero for everything before To
	To   time.Time `json:"to"`            // exclusive; resolved by whoever starts the workflow, or by a scheduled run itself

	// Scheduled says that a schedule asks: To is zero, and becomes the moment when
	// the run starts.
	Scheduled bool `json:"scheduled,omitempty"`

	Rank           int             `json:"rank"` // the dimension of the embeddings
	Iterations     int             `json:"iterations"`
	Alpha          float64         `json:"alpha"`
	Regularization float64         `json:"regularization"`
	Seed           int64           `json:"seed"`
	Interest       recsys.Interest `json:"interest"`

	// Search is how the version is searched; nil lets its size decide.
	Search *recsys.Search `json:"search,omitempty"`

	// AcceptGates overrides the refusal of gates: gate name to the reason why.
	AcceptGates map[string]string `json:"accept_gates,omitempty"`

	// Promote makes the version live when no gate refuses it.
	Promote bool `json:"promote"`

	// Evaluation says that the version shows how good such a training would have
	// been: it does not go live, and lets other refreshes train first.
	Evaluation bool `json:"evaluation,omitempty"`

	// Actor is who asked, for the audit of promotions. It does not take part in
	// the workflow id: the same refresh asked for by two people is one.
	Actor string `json:"actor,omitempty"`
}

// DefaultRefresh is a request for everything before to, with the parameters
// that measured best on the data sets we know, promoted when the gates pass.
func DefaultRefresh(to time.Time) RefreshRequest {
	return RefreshRequest{
		To:             to.UTC().Truncate(time.Second),
		Rank:           64,
		Iterations:     12,
		Alpha:          2,
		Regularization: 0.1,
		Seed:           42,
		Interest:       recsys.DefaultInterest(),
		Promote:        true,
	}
}

// Validate returns every mistake in the request.
func (r RefreshRequest) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.To.IsZero() {
		bad("to is missing: give the end of the events to train on")
	}
	if !r.From.IsZero() && !r.From.Before(r.To) {
		bad("from %s is not before to %s", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
	if r.Rank < 1 || r.Rank > recsys.MaxDimension {
		bad("rank is %d; use 1 to %d", r.Rank, recsys.MaxDimension)
	}
	if r.Iterations < 1 || r.Iterations > 100 {
		bad("iterations is %d; use 1 to 100", r.Iterations)
	}
	if !positive(r.Alpha) {
		bad("alpha is %v; use a positive number", r.Alpha)
	}
	if !positive(r.Regularization) {
		bad("regularization is %v; use a positive number", r.Regularization)
	}
	//workflowcheck:ignore — it ranges over a map to find a mistake; only which of several it names can vary
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
			bad("there is no gate %q; the gates are %v", gate, recsys.GateNames())
		}
		if r.AcceptGates[gate] == "" {
			bad("gate %s: a reason is needed to accept it", gate)
		}
	}
	return errors.Join(errs...)
}

// resolved is the request of a run that started then: with an end, also when a
// schedule asks.
func (r RefreshRequest) resolved(start time.Time) RefreshRequest {
	if r.Scheduled && r.To.IsZero() {
		r.To = start.UTC().Truncate(time.Second)
	}
	return r
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 0) }

// idTime is how a time is written inside an id: sortable and free of colons.
const idTime = "20060102T150405Z"

// RefreshWorkflowID is the id of the workflow that does r: readable, and the
// same for the same request, so that asking twice starts one.
func RefreshWorkflowID(r RefreshRequest) string {
	r.Actor = ""
	r.From, r.To = r.From.UTC(), r.To.UTC()
	// Marshalling a struct of numbers, strings and string maps cannot fail, and
	// writes the keys of a map in order.
	data, _ := json.Marshal(r)
	sum := sha256.Sum256(data)
	return "refresh-" + backfill.Span(r.From, r.To) + "-" + hex.EncodeToString(sum[:4])
}

// runID is the id of the training run of a workflow run: the end of its events,
// then the last digits of the Temporal run id (the first ones are a clock).
func runID(to time.Time, temporalRunID string) string {
	return to.UTC().Format(idTime) + "-" + temporalRunID[max(0, len(temporalRunID)-8):]
}

// sortedKeys ranges over a map, and puts order into it.
//
//workflowcheck:ignore
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
