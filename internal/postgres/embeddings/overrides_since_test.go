package embeddings_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/embeddings"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// follower applies changes of overrides, as readers do.
type follower struct {
	overrides map[string]recsys.Override
	revision  recsys.OverrideRevision
}

// follow reads the changes and returns how many items they contain.
func (f *follower) follow(t *testing.T, s *postgrestest.Store) embeddings.OverrideChanges {
	t.Helper()
	c, err := s.OverridesSince(t.Context(), f.revision)
	require.NoError(t, err)
	if c.All {
		f.overrides = map[string]recsys.Override{}
	}
	for id, o := range c.Overrides {
		if f.overrides[id] = o; o.IsZero() {
			delete(f.overrides, id)
		}
	}
	f.revision = c.Revision
	return c
}

func TestOverridesSince(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) (*postgrestest.Store, *follower) {
		t.Parallel()
		s, f := postgrestest.New(t), &follower{}
		for i := range 50 {
			setOverride(t, s, fmt.Sprint("i", i), embeddings.ItemChange{Title: new("first")})
		}
		require.True(t, f.follow(t, s).All)
		require.Len(t, f.overrides, 50)
		return s, f
	}
	t.Run("it returns only changes, removals included", func(t *testing.T) {
		s, f := setup(t)
		require.Empty(t, f.follow(t, s).Overrides)
		setOverride(t, s, "i1", embeddings.ItemChange{Tags: []string{"a"}})
		setOverride(t, s, "i2", embeddings.ItemChange{Reset: []string{"title"}})
		c := f.follow(t, s)
		assert.False(t, c.All)
		assert.Equal(t, map[string]recsys.Override{"i1": {Title: new("first"), Tags: []string{"a"}}, "i2": {}}, c.Overrides)
		assert.Len(t, f.overrides, 49)
	})
	t.Run("it returns everything after a deletion by SQL", func(t *testing.T) {
		s, f := setup(t)
		exec(t, s, "DELETE FROM recflow.item_state WHERE item_id = 'i3'")
		require.True(t, f.follow(t, s).All)
		require.Len(t, f.overrides, 49)
		require.False(t, f.follow(t, s).All)
		exec(t, s, "TRUNCATE recflow.item_state")
		require.True(t, f.follow(t, s).All)
		require.Empty(t, f.overrides)
	})
	t.Run("it returns everything if the database was restored", func(t *testing.T) {
		s, f := setup(t)
		exec(t, s, "UPDATE recflow.item_changes SET revision = 3")
		require.True(t, f.follow(t, s).All, "the revision is lower")
		require.EqualValues(t, 3, f.revision.Number)
		// A restored dump creates the table again, and its revisions may overtake.
		exec(t, s, "ALTER TABLE recflow.item_changes RENAME TO old")
		exec(t, s, "CREATE TABLE recflow.item_changes (LIKE recflow.old INCLUDING ALL)")
		exec(t, s, "INSERT INTO recflow.item_changes (revision) VALUES (1000)")
		require.True(t, f.follow(t, s).All)
		require.False(t, f.follow(t, s).All)
	})
	t.Run("it agrees with the revision of user states", func(t *testing.T) {
		s, f := setup(t)
		v := postgrestest.Build(t, s, postgrestest.Fixture{})
		_, revision, err := s.UserStates(t.Context(), v, []string{"u"})
		require.NoError(t, err)
		require.Equal(t, f.revision, revision)
		require.True(t, f.revision.Includes(revision))
		setOverride(t, s, "i1", embeddings.ItemChange{Available: new(false)})
		_, revision, err = s.UserStates(t.Context(), v, []string{"u"})
		require.NoError(t, err)
		require.False(t, f.revision.Includes(revision))
	})
}

func exec(t *testing.T, s *postgrestest.Store, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// TestOverridesSince_misses_no_change compares followers with a full read while
// concurrent transactions of one or several statements commit, roll back and delete,
// in another order than they began. A follower and a full read of the same revision
// must agree.
func TestOverridesSince_misses_no_change(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	length := 2 * time.Second
	if *postgrestest.Soak {
		length = 2 * time.Minute
	}
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	var writers sync.WaitGroup
	for w := range 6 {
		writers.Go(func() { assert.NoError(t, write(ctx, s.URL, uint64(w))) })
	}
	var followers sync.WaitGroup
	for range 2 {
		followers.Go(func() {
			f, compared := follower{}, 0
			for done := false; !done; {
				done = ctx.Err() != nil
				if done {
					writers.Wait()
				}
				f.follow(t, s)
				all := follower{}
				all.follow(t, s)
				if all.revision == f.revision {
					compared++
					if !assert.Equal(t, all.overrides, f.overrides) {
						return
					}
				}
			}
			assert.Greater(t, compared, 10)
			t.Logf("compared %d times, up to revision %d", compared, f.revision.Number)
		})
	}
	followers.Wait()
}

// write changes items in transactions until ctx ends.
func write(ctx context.Context, url string, seed uint64) error {
	background := context.WithoutCancel(ctx)
	conn, err := pgx.Connect(background, url)
	if err != nil {
		return err
	}
	defer conn.Close(background)
	r := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		tx, err := conn.Begin(background)
		if err != nil {
			return err
		}
		for range 1 + r.IntN(3) {
			id := fmt.Sprint("i", r.IntN(40))
			switch r.IntN(12) {
			case 0:
				_, err = tx.Exec(background, "DELETE FROM recflow.item_state WHERE item_id = $1", id)
			case 1:
				_, err = tx.Exec(background, "UPDATE recflow.item_state SET title = $2 WHERE item_id < $1", id, fmt.Sprint(r.IntN(1000)))
			default:
				_, err = tx.Exec(background, `
					INSERT INTO recflow.item_state (item_id, title) VALUES ($1, $2)
					ON CONFLICT (item_id) DO UPDATE SET title = excluded.title`, id, []*string{nil, new(fmt.Sprint(r.IntN(1000)))}[min(1, r.IntN(4))])
			}
			if err == nil {
				_, err = tx.Exec(background, "SELECT pg_sleep($1)", float64(r.IntN(3))/1000)
			}
			if err != nil {
				return err
			}
		}
		if end := tx.Commit; r.IntN(5) == 0 {
			err = tx.Rollback(background)
		} else {
			err = end(background)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkOverridesSince reads the change of one item among many overrides.
func BenchmarkOverridesSince(b *testing.B) {
	s := postgrestest.New(b)
	for _, overrides := range []int{1000, 100_000} {
		exec := func(sql string, args ...any) {
			conn, err := pgx.Connect(b.Context(), s.URL)
			require.NoError(b, err)
			defer conn.Close(b.Context())
			_, err = conn.Exec(b.Context(), sql, args...)
			require.NoError(b, err)
		}
		exec("INSERT INTO recflow.item_state (item_id, available) SELECT 'i' || n, false FROM generate_series(1, $1::int) n ON CONFLICT DO NOTHING", overrides)
		exec("VACUUM ANALYZE recflow.item_state")
		at, err := s.OverridesSince(b.Context(), recsys.OverrideRevision{})
		require.NoError(b, err)
		b.Run(fmt.Sprint(overrides, "/all"), func(b *testing.B) {
			for b.Loop() {
				_, err := s.OverridesSince(b.Context(), recsys.OverrideRevision{})
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprint(overrides, "/change"), func(b *testing.B) {
			for b.Loop() {
				_, err := s.ChangeItem(b.Context(), "i1", embeddings.ItemChange{Available: new(true)})
				require.NoError(b, err)
				c, err := s.OverridesSince(b.Context(), at.Revision)
				require.NoError(b, err)
				require.Len(b, c.Overrides, 1)
				at.Revision = c.Revision
			}
		})
	}
}
