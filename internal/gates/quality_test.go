package gates_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// TestQuality_equals_the_metric_of_the_Glue_job computes nDCG@100 of the candidate and
// of popularity as glue/recflow_glue/evaluate.py defines them.
func TestQuality_equals_the_metric_of_the_Glue_job(t *testing.T) {
	t.Parallel()
	f := postgrestest.Fixture{Change: func(d *postgrestest.Data) {
		for i := range d.Items {
			d.Items[i].Available = true // the job ranks all items, the gate only available ones
		}
	}}
	m, data := postgrestest.Generate(t, f)
	users, candidate, popularity := offline(t, m, data)
	require.Greater(t, users, 200)

	_, results := check(t, postgrestest.New(t), f, nil)
	quality := find(results, recsys.GateQuality)
	assert.InDelta(t, candidate, quality.Value, 1e-6, "it scores the candidate")
	assert.InDelta(t, popularity, quality.Threshold, 1e-9, "it excludes the hold-out users from the popularity baseline")
}

// offline returns the mean nDCG@100 over the hold-out users who have an answer.
func offline(t *testing.T, m *recsys.Manifest, data *postgrestest.Data) (users int, candidate, popularity float64) {
	t.Helper()
	vectors, trained := map[string][]float32{}, map[string]int{}
	for _, item := range data.Items {
		vectors[item.ItemID] = item.Vector
	}
	for _, u := range data.Users {
		if !m.HoldoutBound.Contains(u.ID) {
			for _, item := range u.History.Items {
				trained[item]++
			}
		}
	}
	history, answers := map[string][]recsys.Event{}, map[string]map[string]bool{}
	for _, h := range data.Holdout {
		switch {
		case !h.Answer:
			history[h.UserID] = append(history[h.UserID], h.Event)
		case answers[h.UserID] == nil:
			answers[h.UserID] = map[string]bool{h.ItemID: true}
		default:
			answers[h.UserID][h.ItemID] = true
		}
	}
	for user, want := range answers {
		h := m.Interest.Extend(recsys.History{}, history[user])
		own := slices.Concat(h.Items, h.Seen)
		liked := make([][]float32, len(h.Items))
		for i, item := range h.Items {
			liked[i] = vectors[item]
		}
		vector, err := m.FoldIn().Vector(liked, h.Weights)
		require.NoError(t, err)
		candidate += recsys.NDCGAt(100, ranked(vectors, own, func(id string) float64 { return dot(vector, vectors[id]) }), want)
		popularity += recsys.NDCGAt(100, ranked(vectors, own, func(id string) float64 { return float64(trained[id]) }), want)
		users++
	}
	return users, candidate / float64(users), popularity / float64(users)
}

// ranked returns the items that a user has not seen, in descending order of
// score, ties by id.
func ranked(items map[string][]float32, own []string, score func(id string) float64) (ids []string) {
	for id := range items {
		if !slices.Contains(own, id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Or(cmp.Compare(score(b), score(a)), cmp.Compare(a, b)) })
	return ids
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
