package recsys_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestTraining_Validate(t *testing.T) {
	t.Parallel()
	require.NoError(t, recsys.Training{}.Validate())
	require.NoError(t, recsys.Training{Trainer: recsys.MLlib, Rank: 1024, Iterations: 100, Alpha: 1, Regularization: 1}.Validate())
	require.NoError(t, recsys.Training{Trainer: recsys.ALS, RegularizationExponent: new(0.0)}.Validate())
	for want, settings := range map[string]recsys.Training{
		`trainer "svd" does not exist`:         {Trainer: "svd"},
		"rank is 1025":                         {Rank: 1025},
		"iterations is -1":                     {Iterations: -1},
		"alpha is NaN":                         {Alpha: math.NaN()},
		"regularization is +Inf":               {Regularization: math.Inf(1)},
		"regularization_exponent is 2.5":       {Trainer: recsys.ALS, RegularizationExponent: new(2.5)},
		"is a setting of the trainer als; set": {RegularizationExponent: new(0.5)},
	} {
		require.ErrorContains(t, settings.Validate(), want)
	}
}

func TestTraining_String_lists_what_was_requested(t *testing.T) {
	t.Parallel()
	require.Equal(t, "trainer auto, seed 42", recsys.Training{Seed: 42}.String())
	all := recsys.Training{Trainer: recsys.ALS, Rank: 8, Iterations: 3, Alpha: 0.5, Regularization: 2, RegularizationExponent: new(0.0)}
	require.Equal(t, "trainer als, rank 8, 3 iterations, α 0.5, λ 2, ν 0, seed 0", all.String())
}
