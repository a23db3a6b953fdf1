package recsys

import "time"

// State is where a version is in its life.
type State string

// A version is loading until it is ready or refused. Only a ready version can
// go live. A refused one stays inspectable; a failed or dropped one has no data.
const (
	Loading State = "loading"
	Ready   State = "ready"
	Refused State = "refused"
	Failed  State = "failed"
	Dropped State = "dropped"
)

// Version is one load of embeddings, in a Postgres schema of its own.
type Version struct {
	ID     int64  `json:"version"`
	RunID  string `json:"run_id"`
	State  State  `json:"state"`
	Live   bool   `json:"live"`
	Pinned bool   `json:"pinned"`

	// Evaluation says that the version shows how good a training as of some time
	// in the past would have been. It goes live only when that is said expressly.
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
	Revision int64     // grows by one with every flip
	Manifest *Manifest // without Files
}

// Search is how the nearest items of a version are found. It is decided when
// the version is built and stored with it.
type Search struct {
	Method         string `json:"method"` // "exact" or "hnsw"
	M              int    `json:"m,omitempty"`
	EFConstruction int    `json:"ef_construction,omitempty"`
	EFSearch       int    `json:"ef_search,omitempty"`
	HalfVector     bool   `json:"half_vector,omitempty"` // the index holds float16; candidates are rescored in float32
}

// Search methods.
const (
	Exact = "exact"
	HNSW  = "hnsw"
)

// ChooseSearch is the default for a catalogue of items vectors of dimension k.
// Up to 10,000 items an exact scan is faster than it needs to be and has no
// recall ceiling. Above, a graph with m = 48 is needed to reach every item
// under the inner product.
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

// Names of the gates, in the order they are shown.
const (
	GateRows     = "rows"
	GateValues   = "values"
	GateRecall   = "recall"
	GateFoldIn   = "fold-in"
	GateQuality  = "quality"
	GateCoverage = "coverage"
	GateHorizon  = "horizon"
)

// GateNames lists every gate in the order it is shown.
func GateNames() []string {
	return []string{GateRows, GateValues, GateRecall, GateFoldIn, GateQuality, GateCoverage, GateHorizon}
}

// GateResult is what one gate found.
type GateResult struct {
	Gate      string  `json:"gate"`
	Passed    bool    `json:"passed"`
	Warning   bool    `json:"warning,omitempty"` // passed, but a person should look
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	Reason    string  `json:"reason"`             // one sentence with the numbers in it
	Accepted  string  `json:"accepted,omitempty"` // the reason a person gave for overriding the refusal
}

// Refuses reports whether this result keeps the version from going live.
func (g GateResult) Refuses() bool { return !g.Passed && g.Accepted == "" }
