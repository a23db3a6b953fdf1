package gates

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
)

// checkValues refuses a version with a vector that cannot be compared: NaN,
// infinite, zero, or of another dimension.
func checkValues(ctx context.Context, s *subject) (recsys.GateResult, error) {
	items, users, err := s.embeddings.BadVectors(ctx, s.version)
	if err != nil {
		return recsys.GateResult{}, err
	}
	if bad := items + users; bad > 0 {
		return refused(float64(bad), 0,
			"%d item and %d user vectors are zero, not finite or not of %d dimensions; check whether the training diverged, or raise the regularization",
			items, users, s.version.Dimension), nil
	}
	return passed(0, 0, "every vector has %d finite values and a length", s.version.Dimension), nil
}
