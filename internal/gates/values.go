package gates

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
)

// checkValues refuses a version with a vector that cannot be compared: NaN or
// infinite values, no length, another dimension.
func checkValues(ctx context.Context, s *subject) (recsys.GateResult, error) {
	items, users, err := s.embeddings.BadVectors(ctx, s.version)
	if err != nil {
		return recsys.GateResult{}, err
	}
	if bad := items + users; bad > 0 {
		return refused(float64(bad), 0,
			"%d item and %d user vectors are zero, not finite or not of %d dimensions; look for a training that diverged, or raise the regularisation",
			items, users, s.version.Dimension), nil
	}
	return passed(0, 0, "every vector has %d finite values and a length", s.version.Dimension), nil
}
