package recsys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on a manifest, which is untrusted input.
const (
	ManifestSchemaVersion = 1
	MaxManifestBytes      = 64 << 20
	MaxManifestFiles      = 4096
	MaxDimension          = 1024
	MaxFileBytes          = 4 << 30
	MaxFileRows           = 50_000_000
)

// The kinds of files that a run writes.
const (
	ItemsFile   = "items"
	UsersFile   = "users"
	HoldoutFile = "holdout"
)

// Manifest describes one finished training run. It is written last, once, to
// embeddings/run=<run_id>/manifest.json; a run without one does not exist.
// docs/data.md describes its fields and the files that it names.
type Manifest struct {
	SchemaVersion int        `json:"schema_version"`
	RunID         string     `json:"run_id"`
	CreatedAt     time.Time  `json:"created_at"`
	Dimension     int        `json:"dimension"`
	Parameters    Parameters `json:"parameters"`

	// Defaults is nil for the trainer mllib, whose defaults are constants.
	Defaults *Defaults `json:"defaults,omitempty"`

	// Libraries are the versions of the training's libraries, by name.
	Libraries map[string]string `json:"libraries"`

	Interest     Interest     `json:"interest"`
	Gram         []float64    `json:"gram"` // dimension², row-major: VᵀV over all items, in float64
	Coverage     Coverage     `json:"coverage"`
	Input        Input        `json:"input"`
	HoldoutBound HoldoutBound `json:"holdout_bound"`
	Files        []File       `json:"files"`
	Checks       []Check      `json:"checks"`
	Metrics      Metrics      `json:"metrics"`

	// Similar is nil in manifests of older trainings, and if no hold-out user likes two
	// items.
	Similar *Similar `json:"similar,omitempty"`
}

// Parameters are the settings of the training, whether requested or chosen.
type Parameters struct {
	Trainer                string  `json:"trainer"`
	Rank                   int     `json:"rank"`
	Iterations             int     `json:"iterations"`
	Alpha                  float64 `json:"alpha"`
	Regularization         float64 `json:"regularization"`          // λ
	RegularizationExponent float64 `json:"regularization_exponent"` // ν
	MeanItems              float64 `json:"mean_items"`              // n to which λ is relative, see FoldIn
	Seed                   int64   `json:"seed"`
}

// Defaults are the properties of the matrix from which the trainer als chooses the
// settings that were not requested. ū and ī are the mean numbers of positive weights
// of a user and of an item.
type Defaults struct {
	Users          int64   `json:"users"` // with a positive weight, outside the hold-out
	Items          int64   `json:"items"` // with a positive weight
	MeanUserItems  float64 `json:"mean_user_items"`
	MeanItemUsers  float64 `json:"mean_item_users"`
	MeanWeight     float64 `json:"mean_weight"`
	Noise          float64 `json:"noise"`           // √ū + √ī
	RankLimit      int     `json:"rank_limit"`      // within the memory of the training job and of the processes that serve lists
	SingularValues *int    `json:"singular_values"` // those above Noise, counted up to 272; nil if the rank was requested
}

// Input counts the events that were read, and those that were trained on.
type Input struct {
	Files           int                `json:"files"`
	Bytes           int64              `json:"bytes"`
	Rows            int64              `json:"rows"`   // as read, including duplicates
	Events          int64              `json:"events"` // covered events, each event_id once
	Users           int64              `json:"users"`
	Items           int64              `json:"items"`
	Streamed        StreamedInput      `json:"streamed"`          // covered events from the stream
	EventTypeShares map[string]float64 `json:"event_type_shares"` // share of Events of the 50 most frequent types and of "other"; sums to 1

	// What an interest makes of the events; absent in manifests of older trainings.
	EventTypes           []TypeInput `json:"event_types,omitempty"` // most frequent first
	UserTypes            []UserTypes `json:"user_types,omitempty"`  // most frequent first, at most 200
	ItemTypes            []ItemTypes `json:"item_types,omitempty"`  // most frequent first, at most 200
	UsersWithoutInterest int64       `json:"users_without_interest,omitempty"`
	ItemsWithoutInterest int64       `json:"items_without_interest,omitempty"`
	RepeatedContent      int64       `json:"repeated_content,omitempty"` // about how many events have the user, item, type, time and value of another one
}

// TypeInput counts the events of one type.
type TypeInput struct {
	Type        string    `json:"type"`
	Events      int64     `json:"events"`
	Counting    int64     `json:"counting"`              // no returns and, of ratings, those from RatingThreshold up
	Values      int64     `json:"values"`                // events with a value
	Negative    int64     `json:"negative"`              // events with a negative value
	SumPositive float64   `json:"sum_positive"`          // of the positive values, each up to MaxInterest
	SumNegative float64   `json:"sum_negative"`          // of the negative values without sign, each up to MaxInterest
	Percentiles []float64 `json:"percentiles,omitempty"` // 0 to 100 of the values, approximate
}

// UserTypes is the number of users whose TypeInput.Counting events have exactly these
// types. Users with impressions only are not counted.
type UserTypes struct {
	Types []string `json:"types"`
	Users int64    `json:"users"`
}

// ItemTypes is the number of items whose TypeInput.Counting events have exactly these
// types.
type ItemTypes struct {
	Types []string `json:"types"`
	Items int64    `json:"items"`
}

// File is one Parquet file of the run.
type File struct {
	Kind   string `json:"kind"` // items, users or holdout
	Key    string `json:"key"`  // object key in the manifest's bucket, under the run's prefix
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // lower-case hex
	Rows   int64  `json:"rows"`
}

// Check is the result of one named data-quality rule.
type Check struct {
	Rule     string   `json:"rule"`
	Severity string   `json:"severity"` // "error" or "warning"
	Passed   bool     `json:"passed"`
	Count    int64    `json:"count"`             // rows that violate the rule, or the measured count for a minimum
	Samples  []string `json:"samples,omitempty"` // a few event or item ids; never user ids
	Message  string   `json:"message"`
}

// Metrics are the offline metrics of the run on its hold-out, by metric name
// ("recall@20", "recall@50", "ndcg@100", "coverage", "novelty"), for items that are
// new to the user.
type Metrics struct {
	Users      int64             `json:"users"` // hold-out users that were scored
	Candidate  map[string]Metric `json:"candidate"`
	Popularity map[string]Metric `json:"popularity"` // baseline on the same users

	// ItemKNN is the baseline item-kNN, on the first ItemKNNUsers of the users. It is
	// empty for a run of MLlib.
	ItemKNN      map[string]Metric `json:"item_knn,omitempty"`
	ItemKNNUsers int64             `json:"item_knn_users,omitempty"`

	// ItemKNNDifference is the nDCG@100 of the candidate minus that of item-kNN, paired
	// by user.
	ItemKNNDifference *Metric `json:"item_knn_difference,omitempty"`

	// All are recall and nDCG for all next items, among them those that the user comes
	// back to, by method: "candidate", "popularity" and "item_knn".
	All map[string]map[string]Metric `json:"all,omitempty"`
}

// Similar is the β of SimilarScore that the training chose for similar items, and the
// comparison that it was chosen by. A query is an item that a hold-out user likes, and
// has 20 neighbors.
type Similar struct {
	Beta    float64         `json:"beta"`
	Users   int64           `json:"users"` // hold-out users who like two items; below 30 Beta is 0
	Queries int64           `json:"queries"`
	Grid    []SimilarResult `json:"grid"` // by ascending β; the one with the highest StratifiedRecall is chosen
}

// SimilarResult is how well the neighbors by one β predict the other items of the
// users who like the query.
type SimilarResult struct {
	Beta              float64  `json:"beta"`
	Recall            float64  `json:"recall"`             // share of the other items that are among the neighbors
	StratifiedRecall  float64  `json:"stratified_recall"`  // geometric mean of the recall in five strata of these items by popularity
	CategoryAgreement *float64 `json:"category_agreement"` // share of the neighbors with the query's category; nil without categories
}

// Metric is a mean with its 95 % bootstrap interval over users.
type Metric struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

var (
	runIDPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	sha256Pattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
	boundPattern  = regexp.MustCompile(`^[0-9a-f]{16}$`)
)

// RunPrefix returns the object prefix of everything a run writes, with a final
// slash.
func RunPrefix(runID string) string { return "embeddings/run=" + runID + "/" }

// ManifestKey returns the object key of a run's manifest.
func ManifestKey(runID string) string { return RunPrefix(runID) + "manifest.json" }

// CheckRunID returns an error if runID cannot be part of an object key.
func CheckRunID(runID string) error {
	if !runIDPattern.MatchString(runID) {
		return fmt.Errorf("run id %q: use 1 to 100 letters, digits, dots, dashes and underscores", runID)
	}
	return nil
}

// ParseManifest decodes and validates the manifest of the named run. Every
// error wraps ErrManifestInvalid and lists all mistakes that were found.
func ParseManifest(runID string, data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", ErrManifestInvalid, len(data), MaxManifestBytes)
	}
	var probe struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifestInvalid, err)
	}
	if probe.SchemaVersion != ManifestSchemaVersion {
		return nil, fmt.Errorf("%w: schema_version is %d and this recflow reads %d; retrain with the matching Glue job",
			ErrManifestInvalid, probe.SchemaVersion, ManifestSchemaVersion)
	}
	var m Manifest
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifestInvalid, err)
	}
	if m.RunID != runID {
		return nil, fmt.Errorf("%w: it belongs to run %q, not to %q", ErrManifestInvalid, m.RunID, runID)
	}
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifestInvalid, err)
	}
	return &m, nil
}

// Validate returns all mistakes in the manifest, joined.
func (m *Manifest) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if err := CheckRunID(m.RunID); err != nil {
		errs = append(errs, err)
	}
	if m.Dimension < 1 || m.Dimension > MaxDimension {
		bad("dimension is %d; 1 to %d are accepted", m.Dimension, MaxDimension)
	}
	if m.Parameters.Rank != m.Dimension {
		bad("rank is %d but dimension is %d", m.Parameters.Rank, m.Dimension)
	}
	p := m.Parameters
	if p.Trainer != ALS && p.Trainer != MLlib {
		bad("trainer is %q; %s and %s are known", p.Trainer, ALS, MLlib)
	}
	for name, x := range map[string]float64{"alpha": p.Alpha, "regularization": p.Regularization, "regularization_exponent": p.RegularizationExponent} {
		if x < 0 || math.IsNaN(x) || math.IsInf(x, 0) {
			bad("%s is %v; it must be finite and not negative", name, x)
		}
	}
	if !(p.MeanItems > 0) || math.IsInf(p.MeanItems, 0) {
		bad("mean_items is %v; it must be finite and positive", p.MeanItems)
	}
	if beta := m.SimilarBeta(); !slices.Contains(Betas(), beta) {
		bad("similar.beta is %v; 0, 0.25, 0.5, 0.75 and 1 are known", beta)
	}
	if err := m.Interest.Validate(); err != nil {
		errs = append(errs, err)
	}
	if len(m.Gram) != m.Dimension*m.Dimension {
		bad("gram has %d values, want %d² = %d", len(m.Gram), m.Dimension, m.Dimension*m.Dimension)
	}
	for i, x := range m.Gram {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			bad("gram value %d is %v", i, x)
			break
		}
	}
	if m.Coverage.To.IsZero() || m.Coverage.StoredTo.IsZero() {
		bad("coverage has no end: to and stored_to are required")
	}
	if !m.Coverage.From.IsZero() && !m.Coverage.From.Before(m.Coverage.To) {
		bad("coverage: from %s is not before to %s", m.Coverage.From.Format(time.RFC3339), m.Coverage.To.Format(time.RFC3339))
	}
	if !boundPattern.MatchString(string(m.HoldoutBound)) {
		bad("holdout_bound %q: want 16 hex digits", m.HoldoutBound)
	}
	if m.Input.Streamed.Hash != "" {
		if _, err := strconv.ParseUint(m.Input.Streamed.Hash, 16, 64); err != nil {
			bad("input.streamed.hash %q: want 16 hex digits", m.Input.Streamed.Hash)
		}
	}
	errs = append(errs, m.validateFiles()...)
	return errors.Join(errs...)
}

func (m *Manifest) validateFiles() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(m.Files) > MaxManifestFiles {
		bad("%d files are listed, at most %d are accepted; coalesce the output", len(m.Files), MaxManifestFiles)
		return errs
	}
	if m.Rows(ItemsFile) == 0 {
		bad("no items: a version needs at least one file of kind items with rows")
	}
	seen := make(map[string]bool, len(m.Files))
	for i, f := range m.Files {
		prefix := RunPrefix(m.RunID) + f.Kind + "/"
		switch {
		case f.Kind != ItemsFile && f.Kind != UsersFile && f.Kind != HoldoutFile:
			bad("file %d: kind %q is not items, users or holdout", i, f.Kind)
		case !strings.HasPrefix(f.Key, prefix) || strings.Contains(f.Key, "..") || len(f.Key) > 1024:
			bad("file %d: key %.120q is not under %s", i, f.Key, prefix)
		case seen[f.Key]:
			bad("file %d: key %q is listed twice", i, f.Key)
		}
		seen[f.Key] = true
		if f.Bytes < 1 || f.Bytes > MaxFileBytes {
			bad("file %d: %d bytes; 1 to %d are accepted", i, f.Bytes, int64(MaxFileBytes))
		}
		if !sha256Pattern.MatchString(f.SHA256) {
			bad("file %d: sha256 is not 64 lower-case hex digits", i)
		}
		if f.Rows < 0 || f.Rows > MaxFileRows {
			bad("file %d: %d rows; 0 to %d are accepted", i, f.Rows, MaxFileRows)
		}
		if len(errs) > 20 {
			bad("and more")
			return errs
		}
	}
	return errs
}

// Rows returns the total number of rows of the files of one kind.
func (m *Manifest) Rows(kind string) int64 {
	var n int64
	for _, f := range m.Files {
		if f.Kind == kind {
			n += f.Rows
		}
	}
	return n
}

// SimilarBeta returns the β by which similar items are scored: 0 if none was chosen.
func (m *Manifest) SimilarBeta() float64 {
	if m.Similar == nil {
		return 0
	}
	return m.Similar.Beta
}

// FoldIn returns the equation that turns a history into a vector of this run.
func (m *Manifest) FoldIn() FoldIn {
	return FoldIn{
		Dimension:      m.Dimension,
		Gram:           m.Gram,
		Alpha:          m.Parameters.Alpha,
		Regularization: m.Parameters.Regularization,
		Exponent:       m.Parameters.RegularizationExponent,
		MeanItems:      m.Parameters.MeanItems,
	}
}
