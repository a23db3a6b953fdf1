package recsys

import "time"

// State is a stage in the life cycle of a version.
type State string

// A version is loading until it is ready or refused. Only a ready version can
// be promoted. A refused version is kept for inspection; a failed or dropped
// one has no data.
const (
	Loading State = "loading"
	Ready   State = "ready"
	Refused State = "refused"
	Failed  State = "failed"
	Dropped State = "dropped"
)

// Version is one set of loaded embeddings, in a Postgres schema of its own.
type Version struct {
	ID     int64  `json:"version"`
	RunID  string `json:"run_id"`
	State  State  `json:"state"`
	Live   bool   `json:"live"`
	Pinned bool   `json:"pinned"`

	// Evaluation marks a version that only measures the quality of a training
	// as of some time in the past. It is promoted only if that is requested
	// explicitly.
	Evaluation bool `json:"evaluation,omitempty"`

	Dimension int       `json:"dimension"`
	Items     int64     `json:"items"`
	Users     int64     `json:"users"`
	Coverage  Coverage  `json:"coverage"`
	Search    Search    `json:"search"`
	CreatedAt time.Time `json:"created_at"`
	ReadyAt   time.Time `json:"ready_at,omitzero"`
	Failure   string    `json:"failure,omitempty"` // why it failed or was refused
}

// Live is the version that readers use.
type Live struct {
	Version  Version
	Revision int64     // incremented by every promotion and rollback
	Manifest *Manifest // without Files
}

// Search is the method by which the nearest items of a version are found. It is
// chosen when the version is built and stored with it.
type Search struct {
	Method         string `json:"method"` // "exact" or "hnsw"
	M              int    `json:"m,omitempty"`
	EFConstruction int    `json:"ef_construction,omitempty"`
	EFSearch       int    `json:"ef_search,omitempty"`
	HalfVector     bool   `json:"half_vector,omitempty"` // the index stores float16; candidates are rescored in float32
}

// Search methods.
const (
	Exact = "exact"
	HNSW  = "hnsw"
)

// ChooseSearch returns the default for a catalog of the given number of items
// with vectors of dimension k. Up to 10,000 items an exact scan is fast enough
// and has perfect recall. Above, a graph with m = 48 is needed to reach every
// item under the inner product.
func ChooseSearch(items int64, k int) Search {
	if items <= 10_000 {
		return Search{Method: Exact}
	}
	s := Search{Method: HNSW, M: 48, EFConstruction: 128, EFSearch: 200, HalfVector: k >= 128}
	if items >= 500_000 {
		s.EFSearch = 400
	}
	return s
}

// Names of the gates, in display order.
const (
	GateRows     = "rows"
	GateValues   = "values"
	GateRecall   = "recall"
	GateFoldIn   = "fold-in"
	GateQuality  = "quality"
	GateCoverage = "coverage"
	GateHorizon  = "horizon"
)

// GateNames returns every gate in display order.
func GateNames() []string {
	return []string{GateRows, GateValues, GateRecall, GateFoldIn, GateQuality, GateCoverage, GateHorizon}
}

// GateResult is the result of one gate.
type GateResult struct {
	Gate      string  `json:"gate"`
	Passed    bool    `json:"passed"`
	Warning   bool    `json:"warning,omitempty"`   // passed, but needs attention
	Undecided bool    `json:"undecided,omitempty"` // passed, but the evidence is too weak to promote the version automatically
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	Reason    string  `json:"reason"`             // one sentence with the numbers
	Accepted  string  `json:"accepted,omitempty"` // reason of an override of the refusal
}

// Holds reports whether this result leaves the promotion of the version to a person.
func (g GateResult) Holds() bool { return g.Undecided && g.Accepted == "" }

// Refuses reports whether this result prevents the promotion of the version.
func (g GateResult) Refuses() bool { return !g.Passed && g.Accepted == "" }
