package recsys

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Both this package and the Glue job (glue/tests/test_shared_vectors.py) are
// tested with the vectors in testdata, with this tolerance.
const sharedTolerance = 1e-6

func shared[T any](t *testing.T, name string) (cases []T) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &cases))
	require.NotEmpty(t, cases)
	return cases
}

func TestFoldIn_equals_the_shared_vectors(t *testing.T) {
	t.Parallel()
	type fixture struct {
		Dimension      int         `json:"dimension"`
		Alpha          float64     `json:"alpha"`
		Regularization float64     `json:"regularization"`
		Exponent       float64     `json:"regularization_exponent"`
		MeanItems      float64     `json:"mean_items"`
		Gram           []float64   `json:"gram"`
		Items          [][]float32 `json:"items"`
		Weights        []float32   `json:"weights"`
		Vector         []float64   `json:"vector"`
	}
	for i, c := range shared[fixture](t, "foldin") {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			f := FoldIn{Dimension: c.Dimension, Gram: c.Gram, Alpha: c.Alpha, Regularization: c.Regularization, Exponent: c.Exponent, MeanItems: c.MeanItems}
			got, err := f.Vector(c.Items, c.Weights)
			require.NoError(t, err)
			var diff, norm float64
			for j, want := range c.Vector {
				diff += math.Pow(float64(got[j])-want, 2)
				norm += want * want
			}
			require.LessOrEqual(t, math.Sqrt(diff/norm), sharedTolerance)
		})
	}
}

func TestExtend_equals_the_shared_histories(t *testing.T) {
	t.Parallel()
	type fixture struct {
		Name      string     `json:"name"`
		Interest  Interest   `json:"interest"`
		Events    []Event    `json:"events"`
		Items     []string   `json:"items"`
		Weights   []float64  `json:"weights"`
		Reference *time.Time `json:"reference_time"`
		Seen      []string   `json:"seen"`
	}
	for _, c := range shared[fixture](t, "history") {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			h := c.Interest.Extend(History{}, c.Events)
			got := map[string]float64{}
			for i, item := range h.Items {
				got[item] = float64(h.Weights[i])
			}
			require.Len(t, got, len(c.Items))
			for i, item := range c.Items {
				require.InEpsilon(t, c.Weights[i], got[item], sharedTolerance, item)
			}
			slices.Sort(h.Seen)
			require.Equal(t, c.Seen, append([]string{}, h.Seen...))
			if c.Reference == nil {
				require.True(t, h.Reference.IsZero())
			} else {
				require.True(t, c.Reference.Equal(h.Reference))
			}
		})
	}
}

func TestHoldoutBound_contains_the_shared_users(t *testing.T) {
	t.Parallel()
	type fixture struct {
		Bound HoldoutBound    `json:"bound"`
		Users map[string]bool `json:"users"`
	}
	for _, c := range shared[fixture](t, "holdout") {
		for user, want := range c.Users {
			require.Equal(t, want, c.Bound.Contains(user), "%s under %s", user, c.Bound)
		}
	}
}

func TestIDHash_equals_the_shared_event_sets(t *testing.T) {
	t.Parallel()
	type fixture struct {
		IDs []string `json:"ids"`
		EventSet
	}
	for _, c := range shared[fixture](t, "eventset") {
		var hash uint64
		for _, id := range c.IDs {
			hash ^= IDHash("", id)
		}
		require.Equal(t, c.EventSet, EventSet{Count: int64(len(c.IDs)), Hash: fmt.Sprintf("%016x", hash)})
	}
}
