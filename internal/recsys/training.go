package recsys

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The trainers of a manifest. AutoTrainer in a request chooses one by the memory of
// the training job.
const (
	AutoTrainer = "auto"
	ALS         = "als"   // implicit ALS on the driver of the training job or on its executors
	MLlib       = "mllib" // implicit ALS of Spark MLlib
)

// MaxIterations limits the iterations of a training.
const MaxIterations = 100

// Training is the requested settings of a training. A zero value or nil means the
// default of the trainer: ALS chooses it from the data, MLlib has constants.
type Training struct {
	Trainer                string   `json:"trainer,omitempty"` // empty: AutoTrainer
	Rank                   int      `json:"rank,omitempty"`    // dimension of the embeddings
	Iterations             int      `json:"iterations,omitempty"`
	Alpha                  float64  `json:"alpha,omitempty"`
	Regularization         float64  `json:"regularization,omitempty"`          // λ
	RegularizationExponent *float64 `json:"regularization_exponent,omitempty"` // ν, of ALS only
	Seed                   int64    `json:"seed"`
}

// Validate returns all mistakes in the settings.
func (t Training) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch t.Trainer {
	case "", AutoTrainer, ALS, MLlib:
	default:
		bad("trainer %q does not exist; use %s, %s or %s", t.Trainer, AutoTrainer, ALS, MLlib)
	}
	if t.Rank < 0 || t.Rank > MaxDimension {
		bad("rank is %d; use 1 to %d", t.Rank, MaxDimension)
	}
	if t.Iterations < 0 || t.Iterations > MaxIterations {
		bad("iterations is %d; use 1 to %d", t.Iterations, MaxIterations)
	}
	if !(t.Alpha >= 0) || math.IsInf(t.Alpha, 0) {
		bad("alpha is %v; use a positive number", t.Alpha)
	}
	if !(t.Regularization >= 0) || math.IsInf(t.Regularization, 0) {
		bad("regularization is %v; use a positive number", t.Regularization)
	}
	if x := t.RegularizationExponent; x != nil {
		if !(*x >= 0 && *x <= 2) {
			bad("regularization_exponent is %v; use 0 to 2", *x)
		}
		if t.Trainer != ALS {
			bad("regularization_exponent is a setting of the trainer %s; set trainer to %s too", ALS, ALS)
		}
	}
	return errors.Join(errs...)
}

// String lists the trainer, the requested settings and the seed.
func (t Training) String() string {
	parts := []string{"trainer " + cmp.Or(t.Trainer, AutoTrainer)}
	add := func(set bool, format string, x any) {
		if set {
			parts = append(parts, fmt.Sprintf(format, x))
		}
	}
	add(t.Rank != 0, "rank %d", t.Rank)
	add(t.Iterations != 0, "%d iterations", t.Iterations)
	add(t.Alpha != 0, "α %g", t.Alpha)
	add(t.Regularization != 0, "λ %g", t.Regularization)
	if x := t.RegularizationExponent; x != nil {
		add(true, "ν %g", *x)
	}
	add(true, "seed %d", t.Seed)
	return strings.Join(parts, ", ")
}
