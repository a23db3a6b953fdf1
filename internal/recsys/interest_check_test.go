package recsys_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/recsys"
)

// rocket is the input of a training on a log like RetailRocket's, with ratings.
func rocket() recsys.Input {
	stars := make([]float64, 101)
	for i := range stars {
		stars[i] = float64(i / 10)
	}
	return recsys.Input{
		Users: 1000, Items: 500,
		EventTypes: []recsys.TypeInput{
			{Type: "view", Events: 9000, Counting: 9000},
			{Type: "impression", Events: 5000, Counting: 5000},
			{Type: "transaction", Events: 600, Counting: 540, Values: 600, Negative: 60},
			{Type: "Rating", Events: 300, Counting: 180, Values: 300, Percentiles: stars},
			{Type: "other", Events: 100, Counting: 100},
		},
		UserTypes: []recsys.UserTypes{
			{Types: []string{"view"}, Users: 700}, {Types: []string{"transaction", "view"}, Users: 150}, {Types: []string{"transaction"}, Users: 100},
			{Types: []string{}, Users: 20}, {Types: []string{"other"}, Users: 10}, {Types: []string{"other", "view"}, Users: 15},
		},
		ItemTypes: []recsys.ItemTypes{{Types: []string{"view"}, Items: 450}, {Types: []string{"impression"}, Items: 50}},
	}
}

func TestInterest_check(t *testing.T) {
	t.Parallel()
	trained := recsys.DefaultInterest()
	t.Run("it counts the events, users and items that get nothing", func(t *testing.T) {
		t.Parallel()
		c := trained.Check(rocket(), trained)
		assert.Equal(t, []int64{10_000, 9180, 0}, []int64{c.Events, c.Counting, c.Negative}, "impressions are not counted")
		assert.Equal(t, []int64{1000, 120, 15}, []int64{c.Users, c.UsersWithout, c.UsersUnknown})
		assert.Equal(t, []int64{500, 50, 0}, []int64{c.Items, c.ItemsWithout, c.ItemsUnknown})
		assert.InDelta(t, 0.918, c.Share(), 1e-9)
		assert.Equal(t, recsys.TypeCheck{Type: "transaction", Events: 600, ValueUse: recsys.IgnoreValue}, c.Types[2])
		assert.Equal(t, recsys.TypeCheck{Type: "Rating", Events: 300, Weight: 1, ValueUse: recsys.IgnoreValue, Counting: 180, Declared: true}, c.Types[3])
		assert.Equal(t, []string{"the types other than the 50 most frequent are counted together, without a weight", "the half-life and the floor are not taken into account"}, c.Notes)
	})
	t.Run("it counts with other weights", func(t *testing.T) {
		t.Parallel()
		in := recsys.Interest{Weights: map[string]float64{"Transaction": 5, "rating": 1, "other": 1, "view": 0}, ValueUse: map[string]string{"transaction": recsys.LogValue}, RatingThreshold: 8}
		c := in.Check(rocket(), trained)
		assert.Equal(t, recsys.TypeCheck{Type: "transaction", Events: 600, Weight: 5, ValueUse: recsys.LogValue, Counting: 540, Negative: 60, Declared: true}, c.Types[2])
		assert.Equal(t, int64(300*21/101), c.Types[3].Counting, "the values from 8 to 10")
		assert.Equal(t, []int64{720, 5}, []int64{c.UsersWithout, c.UsersUnknown}, "five users have sets of types that are too rare")
		assert.Equal(t, []int64{500, 0}, []int64{c.ItemsWithout, c.ItemsUnknown})
		assert.Contains(t, c.Notes[0], "take it back")
		assert.Contains(t, c.Notes[1], "the threshold of the training, 4")
	})
	t.Run("it counts a type with a negative weight as taking back", func(t *testing.T) {
		t.Parallel()
		c := recsys.Interest{Weights: map[string]float64{"view": 1, "transaction": -1}}.Check(rocket(), trained)
		assert.Equal(t, []int64{9000, 600}, []int64{c.Counting, c.Negative})
	})
	t.Run("it knows nothing of an older training", func(t *testing.T) {
		t.Parallel()
		c := trained.Check(recsys.Input{Users: 5, Items: 3}, trained)
		assert.Equal(t, []int64{0, 5, 0, 3}, []int64{c.UsersWithout, c.UsersUnknown, c.ItemsWithout, c.ItemsUnknown})
		assert.Zero(t, c.Share())
	})
}
