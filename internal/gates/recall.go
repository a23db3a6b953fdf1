package gates

import (
	"context"

	"github.com/recflow/recflow/internal/recsys"
)

// Minimum recall of the index (docs/benchmarks.md has measured values).
const (
	recallUsers    = 300
	minRecallAt100 = 0.98 // mean recall@100
	minRecallAt20  = 0.99 // mean recall@20
	minWorstRecall = 0.95 // 5th percentile of recall@100
	recallDepth    = 100
	recallFirst    = 20
	searchesEach   = 50 // searches per round trip
)

// checkRecall compares the search of the version with an exact scan, for
// sampled users of the version. Tied items count by their score.
func checkRecall(ctx context.Context, s *subject) (recsys.GateResult, error) {
	if s.version.Search.Method != recsys.HNSW {
		return passed(1, minRecallAt100, "the version is searched exactly, so no item can be missed"), nil
	}
	users, err := s.embeddings.SampleUsers(ctx, s.version, recallUsers, "gate recall")
	if err != nil {
		return recsys.GateResult{}, err
	}
	if len(users) == 0 {
		return warned(0, minRecallAt100, "no user has a vector, so there is nothing to search for"), nil
	}
	at100, at20 := make([]float64, 0, len(users)), make([]float64, 0, len(users))
	for start := 0; start < len(users); start += searchesEach {
		s.progress()
		found, truth, err := s.searchBothWays(ctx, users[start:min(start+searchesEach, len(users))])
		if err != nil {
			return recsys.GateResult{}, err
		}
		for i := range truth {
			f, t := scores(found[i]), scores(truth[i])
			at100 = append(at100, recsys.SearchRecallAt(recallDepth, f, t))
			at20 = append(at20, recsys.SearchRecallAt(recallFirst, f, t))
		}
	}
	return recallResult(at100, at20, s.version.Search), nil
}

// recallResult derives the result from the recall of each sampled user.
func recallResult(at100, at20 []float64, search recsys.Search) recsys.GateResult {
	for _, m := range []struct {
		name         string
		value, least float64
	}{
		{"mean recall@100", recsys.Mean(at100), minRecallAt100},
		{"mean recall@20", recsys.Mean(at20), minRecallAt20},
		{"5th percentile of recall@100", recsys.Quantile(at100, 0.05), minWorstRecall},
	} {
		if m.value < m.least {
			return refused(m.value, m.least,
				"%s is %.4f over %d users, below %.2f; raise m (now %d) or search exactly: a larger ef_search does not reach items that the graph has lost",
				m.name, m.value, len(at100), m.least, search.M)
		}
	}
	return passed(recsys.Mean(at100), minRecallAt100, "%s search: recall@100 %.4f (5th percentile %.4f), recall@20 %.4f over %d users",
		search.Method, recsys.Mean(at100), recsys.Quantile(at100, 0.05), recsys.Mean(at20), len(at100))
}

func (s *subject) searchBothWays(ctx context.Context, users []recsys.User) (found, truth [][]recsys.Hit, err error) {
	queries := make([]recsys.Query, len(users))
	for i, u := range users {
		queries[i] = recsys.Query{Vector: u.Vector, K: recallDepth}
	}
	if found, err = s.embeddings.NearestMany(ctx, s.version, queries); err != nil {
		return nil, nil, err
	}
	for i := range queries {
		queries[i].Exact = true
	}
	truth, err = s.embeddings.NearestMany(ctx, s.version, queries)
	return found, truth, err
}

func scores(hits []recsys.Hit) []float64 {
	out := make([]float64, len(hits))
	for i, h := range hits {
		out[i] = h.Score
	}
	return out
}
