// Package gates decides whether a loaded version may be promoted. Each gate is
// one file, measures one quantity and returns its value, its threshold and a
// reason in one sentence. Gates only read. The workflow decides what happens to
// a refused version, and internal/postgres/versions records it.
package gates

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/events"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// Checker runs the gates on the versions of a database.
type Checker struct {
	versions   *versions.Store
	embeddings *embeddings.Store
	events     *events.Store

	search *recommend.Slot
}

// New returns a Checker. The gates wait for the slot, search two versions in its
// memory, and in Postgres what does not fit.
func New(db *postgres.DB, search *recommend.Slot) *Checker {
	return &Checker{versions: versions.New(db), embeddings: embeddings.New(db), events: events.New(db), search: search}
}

// subject is the version under test, and the live version that it is compared
// with.
type subject struct {
	*Checker
	version  recsys.Version
	manifest *recsys.Manifest
	live     *recsys.Live // nil: no version to compare with
	progress func()       // called regularly during long work
}

// gates maps each name of recsys.GateNames to its check.
var gates = map[string]func(context.Context, *subject) (recsys.GateResult, error){
	recsys.GateRows:     checkRows,
	recsys.GateValues:   checkValues,
	recsys.GateRecall:   checkRecall,
	recsys.GateFoldIn:   checkFoldIn,
	recsys.GateQuality:  checkQuality,
	recsys.GateCoverage: checkCoverage,
	recsys.GateHorizon:  checkHorizon,
}

// Check runs every gate on a loaded version, in the order of recsys.GateNames.
// accept maps the names of gates whose refusal is overridden to the reason.
// progress, if not nil, is called at least once per gate with the gate's name.
// The error is a failure of the infrastructure: a version that fails its gates
// is a result.
func (c *Checker) Check(ctx context.Context, version int64, accept map[string]string, progress func(gate string)) ([]recsys.GateResult, error) {
	if progress == nil {
		progress = func(string) {}
	}
	s, err := c.subject(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("check version %d: %w", version, err)
	}
	names := recsys.GateNames()
	results := make([]recsys.GateResult, 0, len(names))
	for _, name := range names {
		s.progress = func() { progress(name) }
		s.progress()
		result, err := gates[name](ctx, s)
		if err != nil {
			return nil, fmt.Errorf("check version %d: gate %s: %w", version, name, err)
		}
		result.Gate = name
		result.Value, result.Threshold = finite(result.Value), finite(result.Threshold)
		if !result.Passed || result.Undecided {
			result.Accepted = accept[name]
		}
		results = append(results, result)
	}
	return results, nil
}

func (c *Checker) subject(ctx context.Context, version int64) (*subject, error) {
	v, err := c.versions.Version(ctx, version)
	if err != nil {
		return nil, err
	}
	m, err := c.versions.Manifest(ctx, version)
	if err != nil {
		return nil, err
	}
	s := &subject{Checker: c, version: v, manifest: m}
	live, err := c.versions.Live(ctx)
	switch {
	case errors.Is(err, recsys.ErrNoLiveVersion):
	case err != nil:
		return nil, err
	case live.Version.ID != version:
		s.live = &live
	}
	return s, nil
}

// finite limits a measured value to what JSON can represent.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.MaxFloat64
	}
	return x
}

func passed(value, threshold float64, reason string, args ...any) recsys.GateResult {
	return recsys.GateResult{Passed: true, Value: value, Threshold: threshold, Reason: fmt.Sprintf(reason, args...)}
}

func warned(value, threshold float64, reason string, args ...any) recsys.GateResult {
	r := passed(value, threshold, reason, args...)
	r.Warning = true
	return r
}

// undecided passes a version that must not be promoted automatically.
func undecided(value, threshold float64, reason string, args ...any) recsys.GateResult {
	r := warned(value, threshold, reason, args...)
	r.Undecided = true
	return r
}

func refused(value, threshold float64, reason string, args ...any) recsys.GateResult {
	return recsys.GateResult{Value: value, Threshold: threshold, Reason: fmt.Sprintf(reason, args...)}
}
