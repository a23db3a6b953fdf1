package output

import (
	"fmt"
	"strings"

	"github.com/recflow/recflow/internal/recsys"
)

// Interest lists the weights of an interest, heaviest first, and its other settings.
func Interest(in recsys.Interest) string {
	types := in.TypesByWeight()
	parts := make([]string, 0, len(types))
	for _, t := range types {
		if recsys.IsImpression(t) {
			continue // it never has a weight
		}
		text := fmt.Sprintf("%s %g", t, in.Weights[t])
		switch use := in.UseOf(t); {
		case recsys.SameType(t, recsys.Rating):
			text += fmt.Sprintf(" from %g up", in.RatingThreshold)
		case use != recsys.IgnoreValue:
			text += " × " + use
		}
		parts = append(parts, text)
	}
	half := "no half-life"
	if in.HalfLifeSeconds > 0 {
		half = "half-life " + recsys.HalfLifeText(in.HalfLifeSeconds)
	}
	return fmt.Sprintf("%s; %s; floor %g", strings.Join(parts, ", "), half, in.Floor)
}
