package recommend

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/recsys"
)

// countingData is a Data that contains the items "i…" and counts its reads.
type countingData struct {
	itemsRead    int
	popularReads int
	revision     int64
}

func (c *countingData) ItemVectors(_ context.Context, v recsys.Version, ids []string) (map[string][]float32, error) {
	c.itemsRead += len(ids)
	out := map[string][]float32{}
	for _, id := range ids {
		if id[0] == 'i' {
			out[id] = make([]float32, v.Dimension)
			out[id][len(id)%v.Dimension] = 1
		}
	}
	return out, nil
}

func (c *countingData) Popular(_ context.Context, _ recsys.Version, q recsys.Query) ([]recsys.Hit, error) {
	c.popularReads++
	hits := make([]recsys.Hit, q.K)
	for i := range hits {
		hits[i].ItemID = fmt.Sprintf("i%03d", i)
	}
	return hits, nil
}

func (c *countingData) UserStates(context.Context, recsys.Version, []string) ([]recsys.UserState, recsys.OverrideRevision, error) {
	return nil, recsys.OverrideRevision{Number: c.revision}, nil
}

func (c *countingData) EachItem(context.Context, recsys.Version, func(recsys.Item, []float32) error) error {
	return nil
}

func (c *countingData) OverridesSince(context.Context, recsys.OverrideRevision) (embeddings.OverrideChanges, error) {
	return embeddings.OverrideChanges{}, nil
}

func (c *countingData) NearestEach(context.Context, recsys.Version, []recsys.Query, func(int, []recsys.Hit)) error {
	return nil
}

func testReader(limit int) (*Reader, *countingData) {
	const dimension = 8
	gram := make([]float64, dimension*dimension)
	for i := range dimension {
		gram[i*dimension+i] = 1
	}
	data := &countingData{}
	r := NewReader(data, recsys.Version{ID: 1, Dimension: dimension}, &recsys.Manifest{
		Dimension: dimension, Gram: gram, Interest: recsys.DefaultInterest(),
		Parameters: recsys.Parameters{Trainer: recsys.ALS, Alpha: 1, Regularization: 0.1, RegularizationExponent: 1, MeanItems: 1},
	})
	r.folder.cache.limit = limit
	return r, data
}

// clicker returns a user with a history of the items from..to-1 and one new click.
func clicker(from, to int) recsys.UserState {
	u := recsys.UserState{User: recsys.User{ID: "u"}}
	for i := from; i < to; i++ {
		u.History.Items = append(u.History.Items, fmt.Sprintf("i%05d", i))
		u.History.Weights = append(u.History.Weights, 1)
	}
	u.Events = []recsys.Event{{EventID: "e", ItemID: u.History.Items[0], EventType: recsys.Click, OccurredAt: time.Unix(1, 0)}}
	return u
}

func TestItemCache(t *testing.T) {
	t.Parallel()
	size := entrySize("i00000", 8)

	t.Run("it retains frequently used items within its limit", func(t *testing.T) {
		r, data := testReader(400 * size)
		for round := range 50 {
			_, err := r.Load(t.Context(), []recsys.UserState{clicker(0, 100), clicker(1000+100*round, 1100+100*round)})
			require.NoError(t, err)
			assert.LessOrEqual(t, r.folder.cache.size, 400*size)
		}
		assert.Equal(t, 100+50*100, data.itemsRead, "the hundred shared items are read once")
		total := 0
		for id, e := range r.folder.cache.entries {
			total += entrySize(id, len(e.vector))
		}
		assert.Equal(t, total, r.folder.cache.size)
		hits, misses := r.CacheUse()
		assert.EqualValues(t, 5100, misses)
		assert.EqualValues(t, 49*101, hits, "the clicked item is touched twice")
	})
	t.Run("it caches unknown items within its limit", func(t *testing.T) {
		r, data := testReader(20 * size)
		u := recsys.UserState{Events: []recsys.Event{{ItemID: "nothing", EventType: recsys.Click}}}
		for range 3 {
			_, err := r.Load(t.Context(), []recsys.UserState{u})
			require.NoError(t, err)
		}
		assert.Equal(t, 1, data.itemsRead)
		assert.False(t, r.Contains("nothing"))
		for i := range 1000 {
			u.Events[0].ItemID = fmt.Sprintf("n%05d", i)
			_, err := r.Load(t.Context(), []recsys.UserState{u})
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, r.folder.cache.size, 20*size)
	})
	t.Run("it loads as many users as fit, and at least one", func(t *testing.T) {
		r, _ := testReader(250 * size)
		users := []recsys.UserState{clicker(0, 100), clicker(100, 200), clicker(200, 300), clicker(0, 1000)}
		n, err := r.Load(t.Context(), users)
		require.NoError(t, err)
		assert.Equal(t, 2, n)
		n, err = r.Load(t.Context(), users[3:])
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		st, err := r.Fold(users[3])
		require.NoError(t, err)
		assert.NotNil(t, st.Vector)
		_, err = r.Load(t.Context(), users[:1])
		require.NoError(t, err)
		assert.LessOrEqual(t, r.folder.cache.size, 1000*size)
	})
	t.Run("it caches nothing after a failed read", func(t *testing.T) {
		r, _ := testReader(250 * size)
		r.folder.data = failing{}
		_, err := r.Load(t.Context(), []recsys.UserState{clicker(0, 10)})
		require.Error(t, err)
		assert.Empty(t, r.folder.cache.entries)
	})
}

type failing struct{ *countingData }

func (failing) ItemVectors(context.Context, recsys.Version, []string) (map[string][]float32, error) {
	return nil, context.DeadlineExceeded
}

func TestPopularList(t *testing.T) {
	t.Parallel()
	r, data := testReader(1 << 20)
	list := func(k int) []string {
		var out []string
		_, err := r.Read(t.Context(), nil)
		require.NoError(t, err)
		require.NoError(t, r.Search(t.Context(), Request{}, []ListSpec{{K: k}}, func(_ int, l List, err error) {
			require.NoError(t, err)
			for _, i := range l.Items {
				out = append(out, i.ItemID)
			}
		}))
		return out
	}
	assert.Len(t, list(5), 5)
	assert.Len(t, list(3), 3)
	assert.Equal(t, 1, data.popularReads, "it makes many lists from one read")
	assert.Len(t, list(9), 9)
	assert.Equal(t, 2, data.popularReads, "it reads a longer one if needed")
	data.revision++
	list(5)
	assert.Equal(t, 3, data.popularReads, "it reads again after an override")
	require.NoError(t, r.Search(t.Context(), Request{Category: "c"}, []ListSpec{{K: 5}}, func(int, List, error) {}))
	assert.Equal(t, 4, data.popularReads, "it does not reuse the list of other filters")
}

func TestRecommendationID(t *testing.T) {
	t.Parallel()
	r, _ := testReader(1 << 20)
	base := Request{K: 20, Tags: []string{"a", "b"}}
	hash := r.ConfigHash(base)
	assert.Regexp(t, "^[0-9a-f]{16}$", hash)
	same := base
	same.Tags, same.UserID, same.Version = []string{"b", "a"}, "u", 3
	assert.Equal(t, hash, r.ConfigHash(same), "it does not depend on the user or the order of tags")
	for name, change := range map[string]func(*Request){
		"length": func(q *Request) { q.K = 21 }, "category": func(q *Request) { q.Category = "c" },
		"tags": func(q *Request) { q.Tags = nil }, "seen": func(q *Request) { q.ExcludeSeen = SeenNone },
	} {
		other := base
		change(&other)
		assert.NotEqual(t, hash, r.ConfigHash(other), name)
	}
	r.version.Search.EFSearch = 1
	assert.NotEqual(t, hash, r.ConfigHash(base), "search settings")

	u := clicker(0, 3)
	u.Events = append(u.Events,
		recsys.Event{EventID: "b", ItemID: "i00001", EventType: "bookmark"},
		recsys.Event{EventID: "shown", ItemID: "i00002", EventType: recsys.Impression},
		recsys.Event{EventID: "unknown", ItemID: "n", EventType: recsys.Click},
	)
	_, err := r.Load(t.Context(), []recsys.UserState{u})
	require.NoError(t, err)
	st, err := r.Fold(u)
	require.NoError(t, err)
	assert.Equal(t, []string{"b", "e"}, st.Events)
	slices.Reverse(u.Events)
	again, err := r.Fold(u)
	require.NoError(t, err)
	assert.Equal(t, st, again, "it depends only on the set of events")
}
