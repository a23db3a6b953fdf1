package gates

import (
	"context"
	"errors"
	"math"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

const (
	mostFoldInDelta = 1e-5 // ‖folded − trained‖ / ‖trained‖
	foldsEach       = 50   // users whose item vectors are read in one round trip

	// Between so many users are folded in: all there are, until the work is done
	// that takes a few seconds. One item of one user costs dimension² products.
	leastFolds    = 200
	mostFolds     = 2500
	foldsProducts = 6e9
)

// checkFoldIn folds sampled users in again, from the history in Postgres and
// without live events, and compares the result with the trained vector. Live
// updates are made by the same code, so they continue the training exactly or
// this gate says that they do not.
func checkFoldIn(ctx context.Context, s *subject) (recsys.GateResult, error) {
	users, err := s.embeddings.SampleUsers(ctx, s.version, mostFolds, "gate fold-in")
	if err != nil {
		return recsys.GateResult{}, err
	}
	if len(users) == 0 {
		return warned(0, mostFoldInDelta, "no user has a vector, so there is nothing to compare"), nil
	}
	folder := recommend.NewFolder(s.embeddings, s.version, s.manifest)
	worst, off, checked, products := 0.0, 0, 0, 0.0
	for start := 0; start < len(users) && (checked < leastFolds || products < foldsProducts); start += foldsEach {
		s.progress()
		part := users[start:min(start+foldsEach, len(users))]
		histories := make([]recsys.History, len(part))
		for i, u := range part {
			histories[i] = u.History
			products += float64(len(u.History.Items) * s.version.Dimension * s.version.Dimension)
		}
		folded, err := folder.Vectors(ctx, histories)
		if errors.Is(err, recommend.ErrNoSolution) {
			return refused(math.MaxFloat64, mostFoldInDelta, "users cannot be folded in (%v); gram matrix or regularisation are not those of the training", err), nil
		}
		if err != nil {
			return recsys.GateResult{}, err
		}
		checked += len(part)
		for i, u := range part {
			delta := relativeDelta(folded[i], u.Vector)
			worst = math.Max(worst, delta)
			if !(delta <= mostFoldInDelta) {
				off++
			}
		}
	}
	if off > 0 {
		return refused(worst, mostFoldInDelta,
			"%d of %d users folded in by recflow differ from their trained vectors, by up to %.2g of their length where %.0e is accepted; weights, gram matrix, alpha or regularisation are not those of the training",
			off, checked, worst, mostFoldInDelta), nil
	}
	if worst == 0 {
		return passed(worst, mostFoldInDelta, "%d users folded in by recflow equal their trained vectors, bit by bit", checked), nil
	}
	return passed(worst, mostFoldInDelta, "%d users folded in by recflow equal their trained vectors within %.2g of their length", checked, worst), nil
}

// relativeDelta is ‖a − b‖ / ‖b‖; 1 when a is missing.
func relativeDelta(a, b []float32) float64 {
	if len(a) != len(b) {
		return 1
	}
	var difference, length float64
	for i := range b {
		d := float64(a[i]) - float64(b[i])
		difference += d * d
		length += float64(b[i]) * float64(b[i])
	}
	if length == 0 {
		return 1
	}
	return math.Sqrt(difference / length)
}
