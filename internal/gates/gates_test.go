package gates_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/gates"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// check builds a candidate and runs its gates.
func check(t *testing.T, s *postgrestest.Store, f postgrestest.Fixture, accept map[string]string) (recsys.Version, []recsys.GateResult) {
	t.Helper()
	f.Loading = true
	if f.RunID == "" {
		f.RunID = "candidate"
	}
	v := postgrestest.Build(t, s, f)
	results, err := gates.New(s.DB, recommend.NewSlot(s.EmbeddingStore, 1<<30)).Check(t.Context(), v.ID, accept, nil)
	require.NoError(t, err)
	var names []string
	for _, r := range results {
		names = append(names, r.Gate)
		assert.NotEmpty(t, r.Reason, r.Gate)
		t.Logf("%-8s passed %-5t warning %-5t %g / %g  %s", r.Gate, r.Passed, r.Warning, r.Value, r.Threshold, r.Reason)
	}
	require.Equal(t, recsys.GateNames(), names)
	return v, results
}

// promote promotes a good version and returns it.
func promote(t *testing.T, s *postgrestest.Store, f postgrestest.Fixture) recsys.Version {
	t.Helper()
	f.RunID = "live"
	v := postgrestest.Build(t, s, f)
	_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	return v
}

func find(results []recsys.GateResult, name string) recsys.GateResult {
	return results[slices.IndexFunc(results, func(r recsys.GateResult) bool { return r.Gate == name })]
}

func refusedBy(results []recsys.GateResult) (names []string) {
	for _, r := range results {
		if r.Refuses() {
			names = append(names, r.Gate)
		}
	}
	return names
}

func TestCheck_passes_a_good_version(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)

	_, results := check(t, s, postgrestest.Fixture{}, nil)
	for _, r := range results {
		assert.True(t, r.Passed && !r.Warning, "it passes a good version without a live one: %+v", r)
	}
	assert.Contains(t, find(results, recsys.GateQuality).Reason, "no live version")

	promote(t, s, postgrestest.Fixture{})
	v, results := check(t, s, postgrestest.Fixture{RunID: "candidate-2"}, nil)
	for _, r := range results {
		assert.True(t, r.Passed && !r.Warning, "it passes a version as good as the live one: %+v", r)
	}
	assert.Contains(t, find(results, recsys.GateQuality).Reason, "+0.0000 (95 % interval +0.0000 to +0.0000) against live version")

	var seen []string
	_, err := gates.New(s.DB, recommend.NewSlot(s.EmbeddingStore, 1<<30)).Check(t.Context(), v.ID, nil, func(gate string) {
		if len(seen) == 0 || seen[len(seen)-1] != gate {
			seen = append(seen, gate)
		}
	})
	require.NoError(t, err)
	assert.Equal(t, recsys.GateNames(), seen, "it reports the running gate")

	_, err = gates.New(s.DB, recommend.NewSlot(s.EmbeddingStore, 1<<30)).Check(t.Context(), 999, nil, nil)
	assert.ErrorIs(t, err, recsys.ErrNotFound)
}

// TestCheck_refuses has a fixture for every reason to refuse. Only the
// expected gate may refuse it, the live version must not change, and the
// refused version must stay readable.
func TestCheck_refuses(t *testing.T) {
	t.Parallel()
	soon := time.Now().UTC().Add(time.Hour).Truncate(time.Microsecond)
	covering := recsys.Coverage{To: soon, StoredTo: soon}
	streamed := []recsys.Event{{
		EventID: "streamed-1", UserID: "u00001", ItemID: "i000001", EventType: recsys.Click,
		OccurredAt: time.Now().UTC().Add(-time.Minute),
	}}

	for _, c := range []struct {
		it, gate string
		live     postgrestest.Fixture
		before   func(*testing.T, *postgrestest.Store)
		break_   postgrestest.Fixture
		reason   string
	}{
		{
			it: "fewer users than its manifest says", gate: recsys.GateRows,
			break_: postgrestest.Fixture{ChangeManifest: func(m *recsys.Manifest) { m.Files[1].Rows++ }},
			reason: "users has 600 rows and the manifest says 601",
		},
		{
			it: "under half of the live items", gate: recsys.GateRows,
			break_: postgrestest.Fixture{Items: 190},
			reason: "190 items are under half of the 400 that live version 1 has",
		},
		{
			it: "an item with a zero vector", gate: recsys.GateValues,
			break_: postgrestest.Fixture{Change: func(d *postgrestest.Data) {
				d.Items = append(d.Items, postgrestest.ItemRow{
					Item: recsys.Item{ItemID: "flat", Available: true}, Vector: make([]float32, 16),
				})
			}},
			reason: "1 item and 0 user vectors",
		},
		{
			it: "an index that lost part of the catalog", gate: recsys.GateRecall,
			live:   postgrestest.Fixture{Items: 2000},
			break_: postgrestest.Fixture{Items: 2000, Search: recsys.Search{Method: recsys.HNSW, M: 8, EFConstruction: 16, EFSearch: 100}},
			reason: "raise m (now 8) or search exactly",
		},
		{
			it: "a regularization that differs from the training", gate: recsys.GateFoldIn,
			break_: postgrestest.Fixture{ChangeManifest: func(m *recsys.Manifest) { m.Parameters.Regularization *= 1.01 }},
			reason: "differ from their trained vectors",
		},
		{
			it: "one changed weight of one user", gate: recsys.GateFoldIn,
			break_: postgrestest.Fixture{Change: func(d *postgrestest.Data) { d.Users[77].History.Weights[2] *= 1.01 }},
			reason: "1 of 600 users",
		},
		{
			it: "a gram matrix that cannot be solved", gate: recsys.GateFoldIn,
			break_: postgrestest.Fixture{HoldoutShare: 1e-9, ChangeManifest: func(m *recsys.Manifest) { m.Gram[0] = -1e6 }},
			reason: "cannot be folded in",
		},
		{
			it: "answers that popularity predicts better", gate: recsys.GateQuality,
			break_: postgrestest.Fixture{Change: answerWithThePopular},
			reason: "popularity alone reaches",
		},
		{
			it: "clearly worse lists than the live version's", gate: recsys.GateQuality,
			break_: postgrestest.Fixture{Change: scrambleVectors(100)},
			reason: "clearly worse",
		},
		{
			it: "a training that missed a streamed event", gate: recsys.GateCoverage,
			live: postgrestest.Fixture{Coverage: covering},
			before: func(t *testing.T, s *postgrestest.Store) {
				postgrestest.Stream(t, s, streamed...)
			},
			break_: postgrestest.Fixture{Coverage: covering},
			reason: "of 1 streamed events since its baseline, the first event, the training read 0",
		},
		{
			it: "a training that read another event in its place", gate: recsys.GateCoverage,
			live: postgrestest.Fixture{Coverage: covering},
			before: func(t *testing.T, s *postgrestest.Store) {
				postgrestest.Stream(t, s, streamed...)
			},
			break_: postgrestest.Fixture{Coverage: covering, ChangeManifest: func(m *recsys.Manifest) {
				m.Input.Streamed.EventSet = recsys.EventSet{Count: 1, Hash: "00000000000000ff"}
			}},
			reason: "but different ones",
		},
		{
			it: "uncovered events that were deleted", gate: recsys.GateHorizon,
			live: postgrestest.Fixture{Coverage: covering},
			before: func(t *testing.T, s *postgrestest.Store) {
				postgrestest.Stream(t, s, streamed...)
				n, err := s.DropCoveredEvents(t.Context(), soon)
				require.NoError(t, err)
				require.EqualValues(t, 1, n)
			},
			break_: postgrestest.Fixture{}, // covers nothing of this year
			reason: "that were stored before",
		},
		{
			it: "late uncovered events that were deleted", gate: recsys.GateHorizon,
			live: postgrestest.Fixture{Coverage: covering},
			before: func(t *testing.T, s *postgrestest.Store) {
				postgrestest.Stream(t, s, streamed...)
				_, err := s.DropCoveredEvents(t.Context(), soon)
				require.NoError(t, err)
			},
			break_: postgrestest.Fixture{Coverage: recsys.Coverage{To: soon.Add(-72 * time.Hour), StoredTo: soon}},
			reason: "that occurred before",
		},
	} {
		t.Run(c.gate+" refuses "+c.it, func(t *testing.T) {
			t.Parallel()
			s := postgrestest.New(t)
			live := promote(t, s, c.live)
			if c.before != nil {
				c.before(t, s)
			}
			v, results := check(t, s, c.break_, nil)
			require.Equal(t, []string{c.gate}, refusedBy(results))
			assert.Contains(t, find(results, c.gate).Reason, c.reason)

			require.NoError(t, s.MarkRefused(t.Context(), v.ID, results))
			_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
			require.Error(t, err)
			now, err := s.Live(t.Context())
			require.NoError(t, err)
			assert.Equal(t, live.ID, now.Version.ID, "it does not change the live version")
			list, err := (&recommend.Recommender{Versions: s.VersionStore, Embeddings: s.EmbeddingStore}).Recommend(t.Context(), recommend.Request{UserID: "u00001", K: 5, Version: v.ID})
			require.NoError(t, err)
			assert.Len(t, list.Items, 5, "the refused version is readable")
			stored, err := s.Gates(t.Context(), v.ID)
			require.NoError(t, err)
			assert.Equal(t, results, stored)
		})
	}
}

func TestCheck_accepts_an_overridden_refusal(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	_, results := check(t, s, postgrestest.Fixture{Change: answerWithThePopular},
		map[string]string{recsys.GateQuality: "the shop has one product", recsys.GateRows: "not needed"})
	quality := find(results, recsys.GateQuality)
	assert.False(t, quality.Passed, "it still reports the measured value")
	assert.False(t, quality.Refuses(), "it lets the version pass")
	assert.Equal(t, "the shop has one product", quality.Accepted)
	assert.Empty(t, find(results, recsys.GateRows).Accepted, "it records no override if none was needed")
}

func TestQuality_of_few_users(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	quality := func(f postgrestest.Fixture, accept map[string]string) recsys.GateResult {
		t.Helper()
		_, results := check(t, s, f, accept)
		return find(results, recsys.GateQuality)
	}
	first := quality(postgrestest.Fixture{RunID: "first", Users: 20}, nil)
	assert.True(t, first.Warning)
	assert.False(t, first.Holds(), "the first version can only be better than none")

	worse := quality(postgrestest.Fixture{RunID: "worse", Users: 150, Change: answerWithThePopular}, nil)
	assert.True(t, worse.Refuses(), "60 users show clearly that popularity is better: %s", worse.Reason)
	assert.Contains(t, worse.Reason, "popularity alone reaches")

	live := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "live", Users: 300})
	postgrestest.Promote(t, s, live.ID)
	worse = quality(postgrestest.Fixture{RunID: "scrambled", Users: 300, Change: scrambleVectors(100)}, nil)
	assert.True(t, worse.Refuses(), "120 users show that the version is clearly worse: %s", worse.Reason)
	assert.Contains(t, worse.Reason, "clearly worse")

	few := quality(postgrestest.Fixture{RunID: "few", Users: 300, HoldoutShare: 0.05}, nil)
	assert.True(t, few.Holds(), few.Reason)
	assert.False(t, few.Refuses())
	few = quality(postgrestest.Fixture{RunID: "accepted", Users: 300, HoldoutShare: 0.05}, map[string]string{recsys.GateQuality: "looked at the lists"})
	assert.False(t, few.Holds())
	assert.Equal(t, "looked at the lists", few.Accepted)
	none := quality(postgrestest.Fixture{RunID: "no-holdout", Users: 300, HoldoutShare: 1e-9}, nil)
	assert.True(t, none.Holds(), none.Reason)
}

// answerWithThePopular makes every answer the most popular item that its user
// has not seen.
func answerWithThePopular(d *postgrestest.Data) {
	items := slices.DeleteFunc(slices.Clone(d.Items), func(i postgrestest.ItemRow) bool { return !i.Available })
	slices.SortFunc(items, func(a, b postgrestest.ItemRow) int { return int(b.Popularity - a.Popularity) })
	met := map[string]bool{}
	for _, h := range d.Holdout {
		met[h.UserID+" "+h.ItemID] = true
	}
	for i, h := range d.Holdout {
		if h.Answer {
			popular := slices.IndexFunc(items, func(i postgrestest.ItemRow) bool { return !met[h.UserID+" "+i.ItemID] })
			d.Holdout[i].ItemID = items[popular].ItemID
		}
	}
}

// scrambleVectors exchanges the vectors of n items and solves for the users
// again: a valid result of worse quality, with the same gram matrix.
func scrambleVectors(n int) func(*postgrestest.Data) {
	return func(d *postgrestest.Data) {
		r := rand.New(rand.NewPCG(1, 2))
		chosen := r.Perm(len(d.Items))[:n]
		first := d.Items[chosen[0]].Vector
		for i := range n - 1 {
			d.Items[chosen[i]].Vector = d.Items[chosen[i+1]].Vector
		}
		d.Items[chosen[n-1]].Vector = first
		k := len(first)
		fold := recsys.FoldIn{Dimension: k, Gram: make([]float64, k*k), Alpha: 5, Regularization: 0.1, Exponent: 1, MeanItems: 1}
		vectors := map[string][]float32{}
		for _, item := range d.Items {
			vectors[item.ItemID] = item.Vector
			for a, x := range item.Vector {
				for b, y := range item.Vector {
					fold.Gram[a*k+b] += float64(x) * float64(y)
				}
			}
		}
		for i, u := range d.Users {
			items := make([][]float32, len(u.History.Items))
			for j, id := range u.History.Items {
				items[j] = vectors[id]
			}
			if v, err := fold.Vector(items, u.History.Weights); err == nil {
				d.Users[i].Vector = v
			}
		}
	}
}
