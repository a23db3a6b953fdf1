package recsys_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestInterestSettings(t *testing.T) {
	t.Parallel()
	t.Run("it has the defaults for absent fields", func(t *testing.T) {
		t.Parallel()
		in, err := recsys.InterestSettings{}.Interest()
		require.NoError(t, err)
		assert.Equal(t, recsys.DefaultInterest(), in)
		in, err = recsys.InterestSettings{Weights: map[string]float64{"transaction": 5}, HalfLife: "30d"}.Interest()
		require.NoError(t, err)
		assert.Equal(t, recsys.Interest{Weights: map[string]float64{"transaction": 5}, RatingThreshold: 4, HalfLifeSeconds: 30 * 86400, Floor: 0.01}, in)
	})
	t.Run("it returns what an interest was made of", func(t *testing.T) {
		t.Parallel()
		for _, half := range []string{"never", "90d", "36h", "90m", "1m30s"} {
			in := recsys.Interest{Weights: map[string]float64{"play": 2}, ValueUse: map[string]string{"play": "log"}, RatingThreshold: 7, Floor: 0.5}
			s := in.Settings()
			s.HalfLife = half
			in, err := s.Interest()
			require.NoError(t, err)
			assert.Equal(t, s, in.Settings())
		}
	})
	t.Run("it reads never and 0 as no half-life", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"never", "0", "0d", "0s"} {
			in, err := recsys.InterestSettings{HalfLife: text}.Interest()
			require.NoError(t, err)
			assert.Zero(t, in.HalfLifeSeconds)
		}
	})
	t.Run("it refuses mistakes", func(t *testing.T) {
		t.Parallel()
		_, err := recsys.InterestSettings{HalfLife: "soon"}.Interest()
		require.ErrorContains(t, err, `interest: half_life: "soon" is not a duration`)
		_, err = recsys.InterestSettings{Weights: map[string]float64{}}.Interest()
		require.ErrorContains(t, err, "no event type has a weight above 0")
	})
}

func TestInterest_reads_an_interest_without_value_use(t *testing.T) {
	t.Parallel()
	const old = `{"weights":{"purchase":5,"view":1},"rating_threshold":4,"half_life_seconds":60,"floor":0.01}`
	var in recsys.Interest
	require.NoError(t, json.Unmarshal([]byte(old), &in))
	value := 3.0
	assert.InDelta(t, 5, in.Weight(recsys.Purchase, &value), 0)
	same, err := json.Marshal(in)
	require.NoError(t, err)
	assert.JSONEq(t, old, string(same), "the digest of a request does not change")
}
