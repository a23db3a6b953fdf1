package recommend

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// countedLive counts how often the live version and its pointer are read.
type countedLive struct {
	current         recsys.Live
	reads, pointers int
	manifests       int
	during          func() // called while the live version or its pointer is read
}

func (c *countedLive) Live(context.Context) (recsys.Live, error) {
	c.reads++
	current := c.current
	if c.during != nil {
		c.during()
	}
	if current.Revision == 0 {
		return recsys.Live{}, recsys.ErrNoLiveVersion
	}
	return current, nil
}

func (c *countedLive) LivePointer(context.Context) (versions.LivePointer, error) {
	c.pointers++
	current := c.current
	if c.during != nil {
		c.during()
	}
	return versions.LivePointer{Version: current.Version.ID, Revision: current.Revision}, nil
}

func (c *countedLive) Manifest(_ context.Context, version int64) (*recsys.Manifest, error) {
	c.manifests++
	if c.during != nil {
		c.during()
	}
	return &recsys.Manifest{RunID: fmt.Sprint(version)}, nil
}

func TestReaderPool_reads_the_manifest_only_after_a_change(t *testing.T) {
	t.Parallel()
	now := time.Unix(1, 0)
	p := NewReaderPool(time.Second)
	p.now = func() time.Time { return now }
	store := &countedLive{}
	read := func() (recsys.Live, error) { return p.liveVersion(t.Context(), store) }

	_, err := read()
	require.ErrorIs(t, err, recsys.ErrNoLiveVersion)
	store.current = recsys.Live{Version: recsys.Version{ID: 7}, Revision: 1}
	for range 3 {
		live, err := read()
		require.NoError(t, err)
		require.EqualValues(t, 7, live.Version.ID)
	}
	require.Equal(t, []int{2, 0}, []int{store.reads, store.pointers})
	now = now.Add(time.Second)
	for range 3 {
		_, err := read()
		require.NoError(t, err)
	}
	require.Equal(t, []int{2, 1}, []int{store.reads, store.pointers}, "the pointer has not changed")
	store.current = recsys.Live{Version: recsys.Version{ID: 8}, Revision: 2}
	now = now.Add(time.Second)
	live, err := read()
	require.NoError(t, err)
	require.EqualValues(t, 8, live.Version.ID)
	require.Equal(t, []int{3, 2}, []int{store.reads, store.pointers})
	p.Reset()
	_, err = read()
	require.NoError(t, err)
	require.Equal(t, 4, store.reads, "a reset reads the live version again")
}

// TestReaderPool_Reset_discards_what_is_being_read promotes and resets while another
// call reads the live version or its pointer.
func TestReaderPool_Reset_discards_what_is_being_read(t *testing.T) {
	t.Parallel()
	for name, cached := range map[string]bool{"the live version": false, "the pointer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1, 0)
			p := NewReaderPool(time.Second)
			p.now = func() time.Time { return now }
			store := &countedLive{current: recsys.Live{Version: recsys.Version{ID: 7}, Revision: 1}}
			if cached {
				_, err := p.liveVersion(t.Context(), store)
				require.NoError(t, err)
				now = now.Add(time.Second)
			}
			store.during = func() {
				store.during = nil
				store.current = recsys.Live{Version: recsys.Version{ID: 8}, Revision: 2}
				p.Reset()
			}
			_, err := p.liveVersion(t.Context(), store)
			require.NoError(t, err)
			live, err := p.liveVersion(t.Context(), store)
			require.NoError(t, err)
			require.EqualValues(t, 8, live.Version.ID)
		})
	}
}

// TestReaderPool_follows_a_restored_database has a live version with a lower revision
// than before.
func TestReaderPool_follows_a_restored_database(t *testing.T) {
	t.Parallel()
	now := time.Unix(1, 0)
	p := NewReaderPool(time.Second)
	p.now = func() time.Time { return now }
	store := &countedLive{current: recsys.Live{Version: recsys.Version{ID: 7}, Revision: 5}}
	read := func() int64 {
		live, err := p.liveVersion(t.Context(), store)
		require.NoError(t, err)
		return live.Version.ID
	}
	require.EqualValues(t, 7, read())

	now = now.Add(2 * time.Second)
	store.current = recsys.Live{Version: recsys.Version{ID: 6}, Revision: 4}
	for range 5 {
		require.EqualValues(t, 6, read())
	}
	require.Equal(t, 2, store.reads, "the manifest is read once")
}

func TestReaderPool_shares_a_read_among_concurrent_calls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewReaderPool(time.Second)
		store := &countedLive{current: recsys.Live{Version: recsys.Version{ID: 7, RunID: "a"}, Revision: 1}}
		store.during = func() { harnesstest.Pause(t.Context(), time.Second/2) }
		together := func(read func()) {
			var group sync.WaitGroup
			for range 20 {
				group.Go(read)
			}
			group.Wait()
		}
		live := func() {
			live, err := p.liveVersion(t.Context(), store)
			assert.NoError(t, err)
			assert.Equal(t, store.current, live)
		}
		together(live)
		require.Equal(t, []int{1, 0}, []int{store.reads, store.pointers})
		harnesstest.Pause(t.Context(), time.Second)
		together(live)
		require.Equal(t, []int{1, 1}, []int{store.reads, store.pointers})
		for range 2 {
			for _, v := range []recsys.Version{{ID: 7, RunID: "a"}, {ID: 8, RunID: "b"}, {ID: 8, RunID: "c"}} {
				together(func() {
					m, err := p.manifest(t.Context(), store, v)
					assert.NoError(t, err)
					assert.Equal(t, fmt.Sprint(v.ID), m.RunID)
				})
			}
		}
		require.Equal(t, 3, store.manifests, "once for each version, also in a restored database")
	})
}
