package recommend

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// rboPersistence weighs the top of a list: with 0.9 the first ten ranks carry
// 86 % of the weight (Webber, Moffat and Zobel 2010, table 1).
const rboPersistence = 0.9

// Diff compares the lists that two versions make for the same users.
type Diff struct {
	A       int64        `json:"a"`
	B       int64        `json:"b"`
	K       int          `json:"k"`                   // length of the lists
	Users   int          `json:"users"`               // number compared: a sample of those with a vector in both versions
	Overlap float64      `json:"overlap"`             // mean share of a list's items that are in the other's
	RBO     float64      `json:"rank_biased_overlap"` // mean; 1 for equal lists, 0 for disjoint ones
	Same    float64      `json:"same"`                // share of users whose lists are equal
	Items   DiffItems    `json:"items"`
	Metrics []DiffMetric `json:"metrics"`

	// SameHoldout reports whether both trainings were measured on the same events
	// of the same users. If not, the deltas of the metrics are not comparable: gate
	// quality scores both versions on the users that they share.
	SameHoldout bool `json:"same_holdout"`
}

// DiffItems compares the catalogs of the versions, and their coverage.
type DiffItems struct {
	A         int64   `json:"a"`
	B         int64   `json:"b"`
	New       int64   `json:"new"`        // in B and not in A
	Lost      int64   `json:"lost"`       // in A and not in B
	CoverageA float64 `json:"coverage_a"` // share of A's items in any list of the sample
	CoverageB float64 `json:"coverage_b"`
}

// DiffMetric is a metric of both trainings, each on its own hold-out.
type DiffMetric struct {
	Name  string  `json:"name"`
	A     float64 `json:"a"`
	B     float64 `json:"b"`
	Delta float64 `json:"delta"` // b - a
}

// Diff compares the lists of at most users users who have a vector in both
// versions. The sample depends only on the versions. The duration is proportional
// to the number of users.
func (r *Recommender) Diff(ctx context.Context, a, b int64, k, users int) (Diff, error) {
	out := Diff{A: a, B: b, K: k}
	left, err := r.resolve(ctx, a)
	if err != nil {
		return out, err
	}
	right, err := r.resolve(ctx, b)
	if err != nil {
		return out, err
	}
	ids, err := r.sample(ctx, left.version, right.version, users)
	if err != nil {
		return out, err
	}
	shownA, shownB := map[string]bool{}, map[string]bool{}
	for part := range slices.Chunk(ids, usersPerBatch) {
		listsA, err := left.Lists(ctx, Request{K: k}, part)
		if err != nil {
			return out, fmt.Errorf("lists of version %d: %w", a, err)
		}
		listsB, err := right.Lists(ctx, Request{K: k}, part)
		if err != nil {
			return out, fmt.Errorf("lists of version %d: %w", b, err)
		}
		for i := range part {
			idsA, idsB := itemIDs(listsA[i], shownA), itemIDs(listsB[i], shownB)
			out.Overlap += overlap(idsA, idsB)
			out.RBO += rankBiasedOverlap(idsA, idsB)
			if slices.Equal(idsA, idsB) {
				out.Same++
			}
		}
	}
	if out.Users = len(ids); out.Users > 0 {
		n := float64(out.Users)
		out.Overlap, out.RBO, out.Same = out.Overlap/n, out.RBO/n, out.Same/n
	}
	out.Items = DiffItems{A: left.version.Items, B: right.version.Items,
		CoverageA: share(len(shownA), left.version.Items), CoverageB: share(len(shownB), right.version.Items)}
	if out.Items.New, out.Items.Lost, err = r.Embeddings.CompareCatalogs(ctx, left.version, right.version); err != nil {
		return out, err
	}
	out.SameHoldout = left.manifest.HoldoutBound == right.manifest.HoldoutBound && sameSpan(left.manifest.Coverage, right.manifest.Coverage)
	out.Metrics = diffMetrics(left.manifest.Metrics, right.manifest.Metrics)
	return out, nil
}

// sample returns users with a vector in both versions, in a pseudorandom order.
func (r *Recommender) sample(ctx context.Context, a, b recsys.Version, n int) ([]string, error) {
	// Twice as many, because some may have no vector in the other version.
	found, err := r.Embeddings.SampleUsers(ctx, a, 2*n, "diff")
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, u := range found {
		ids[i] = u.ID
	}
	known, err := r.Embeddings.Users(ctx, b, ids)
	if err != nil {
		return nil, err
	}
	both := map[string]bool{}
	for _, u := range known {
		both[u.ID] = u.Vector != nil
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !both[id] })
	return ids[:min(n, len(ids))], nil
}

func itemIDs(l List, shown map[string]bool) []string {
	ids := make([]string, len(l.Items))
	for i, item := range l.Items {
		ids[i] = item.ItemID
		shown[item.ItemID] = true
	}
	return ids
}

// overlap returns the share of the longer list that is in both.
func overlap(a, b []string) float64 {
	longer := max(len(a), len(b))
	if longer == 0 {
		return 1
	}
	common := 0
	for _, id := range a {
		if slices.Contains(b, id) {
			common++
		}
	}
	return float64(common) / float64(longer)
}

// rankBiasedOverlap compares two rankings from their tops, extrapolated to the
// end: RBO_ext of Webber, Moffat and Zobel, A Similarity Measure for Indefinite
// Rankings (2010), equation 32, at the length of the shorter list.
func rankBiasedOverlap(a, b []string) float64 {
	const p = rboPersistence
	depth := min(len(a), len(b))
	if depth == 0 {
		if len(a) == len(b) {
			return 1
		}
		return 0
	}
	seenA, seenB := map[string]bool{}, map[string]bool{}
	common, sum := 0, 0.0
	for d := 1; d <= depth; d++ {
		x, y := a[d-1], b[d-1]
		seenA[x], seenB[y] = true, true
		switch {
		case x == y:
			common++
		default:
			if seenB[x] {
				common++
			}
			if seenA[y] {
				common++
			}
		}
		sum += float64(common) / float64(d) * math.Pow(p, float64(d))
	}
	return float64(common)/float64(depth)*math.Pow(p, float64(depth)) + (1-p)/p*sum
}

// sameSpan reports whether two trainings read the same range of events.
func sameSpan(a, b recsys.Coverage) bool {
	return a.From.Equal(b.From) && a.To.Equal(b.To) && a.StoredTo.Equal(b.StoredTo)
}

func share(n int, of int64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func diffMetrics(a, b recsys.Metrics) []DiffMetric {
	out := []DiffMetric{}
	for name, m := range a.Candidate {
		if other, ok := b.Candidate[name]; ok {
			out = append(out, DiffMetric{Name: name, A: m.Value, B: other.Value, Delta: other.Value - m.Value})
		}
	}
	slices.SortFunc(out, func(a, b DiffMetric) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
