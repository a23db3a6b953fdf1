package gates

import (
	"context"
	"errors"
	"math"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

const (
	maxFoldInDelta = 1e-5 // ‖folded − trained‖ / ‖trained‖
	foldsEach      = 50   // users whose item vectors are read in one round trip

	// The number of users folded in is between these limits, or all users if
	// there are fewer: as many as the work limit allows, which takes a few
	// seconds. One item of one user costs dimension² products.
	minFolds      = 200
	maxFolds      = 2500
	foldsProducts = 6e9
)

// checkFoldIn folds sampled users in again, from the history in Postgres and
// without live events, and compares the results with the trained vectors. Live
// updates use the same code, so equal vectors show that they continue the
// training.
func checkFoldIn(ctx context.Context, s *subject) (recsys.GateResult, error) {
	users, err := s.embeddings.SampleUsers(ctx, s.version, maxFolds, "gate fold-in")
	if err != nil {
		return recsys.GateResult{}, err
	}
	if len(users) == 0 {
		return warned(0, maxFoldInDelta, "no user has a vector, so there is nothing to compare"), nil
	}
	folder := recommend.NewFolder(s.embeddings, s.version, s.manifest)
	worst, off, checked, products := 0.0, 0, 0, 0.0
	for start := 0; start < len(users) && (checked < minFolds || products < foldsProducts); start += foldsEach {
		s.progress()
		part := users[start:min(start+foldsEach, len(users))]
		histories := make([]recsys.History, len(part))
		for i, u := range part {
			histories[i] = u.History
			products += float64(len(u.History.Items) * s.version.Dimension * s.version.Dimension)
		}
		folded, err := folder.Vectors(ctx, histories)
		if errors.Is(err, recommend.ErrNoSolution) {
			return refused(math.MaxFloat64, maxFoldInDelta, "users cannot be folded in (%v); the gram matrix or regularization differs from the training", err), nil
		}
		if err != nil {
			return recsys.GateResult{}, err
		}
		checked += len(part)
		for i, u := range part {
			delta := relativeDelta(folded[i], u.Vector)
			worst = math.Max(worst, delta)
			if !(delta <= maxFoldInDelta) {
				off++
			}
		}
	}
	if off > 0 {
		return refused(worst, maxFoldInDelta,
			"%d of %d users folded in by recflow differ from their trained vectors, by up to %.2g of their length where %.0e is accepted; the weights, gram matrix, alpha or regularization differ from the training",
			off, checked, worst, maxFoldInDelta), nil
	}
	if worst == 0 {
		return passed(worst, maxFoldInDelta, "%d users folded in by recflow equal their trained vectors, bit by bit", checked), nil
	}
	return passed(worst, maxFoldInDelta, "%d users folded in by recflow equal their trained vectors within %.2g of their length", checked, worst), nil
}

// relativeDelta returns ‖a − b‖ / ‖b‖, or 1 if a is missing.
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
