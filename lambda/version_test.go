package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

const versionDropped = "version dropped"

func TestHandler_follows_the_live_version(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	n := 0
	// served sends an event and returns the version of the next list, which
	// must be the list that the API returns: searched in Postgres at first, and
	// then in memory.
	served := func(t *testing.T) (version int64) {
		for batch := range 3 {
			loaded := b.reader != nil && b.reader.ItemsInMemory() > 0
			n++
			require.Empty(t, b.send(click("u00002", 50+n, n), click("newcomer", 50+n, n)))
			if batch == 2 {
				require.Equal(t, b.Search == inMemory, loaded)
			}
			for _, user := range []string{"u00002", "newcomer"} {
				want, got := b.list(user), b.last()[user]
				require.Equal(t, want.RecommendationID, got.RecommendationID)
				require.Equal(t, items(&want), got.Items)
			}
			version = b.last()["u00002"].Version
		}
		return version
	}
	first := b.version
	require.Equal(t, first.ID, served(t))
	next := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "next", Seed: 5})

	t.Run("it uses a promoted version from the next batch on", func(t *testing.T) {
		b.promote(next)
		assert.Equal(t, next.ID, served(t))
	})
	t.Run("it uses the previous version from the next batch on after a rollback", func(t *testing.T) {
		_, err := b.db.Rollback(t.Context(), "test", "")
		require.NoError(t, err)
		assert.Equal(t, first.ID, served(t))
	})
	t.Run("it follows a change of the dimension and back", func(t *testing.T) {
		wide := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "wide", Dimension: 24})
		b.promote(wide)
		assert.Equal(t, wide.ID, served(t))
		_, err := b.db.Rollback(t.Context(), "test", "")
		require.NoError(t, err)
		assert.Equal(t, first.ID, served(t))
	})
	for _, name := range []string{"read", "items", "search", "read-from-memory"} {
		t.Run("it continues with the live version when its own is dropped before the step "+name, func(t *testing.T) {
			step, fromMemory := strings.CutSuffix(name, "-from-memory")
			b.Search = inPostgres
			if fromMemory {
				b.Search = inMemory
			}
			mine := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "mine-" + name})
			b.promote(mine)
			require.Equal(t, mine.ID, served(t))
			after := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "after-" + name, Seed: 9})
			done := false
			b.injects(t, versionDropped)
			b.faults.before = func(s string) error {
				if s == step && !done {
					done = true
					b.promote(after)
					_, err := b.conn.Exec(t.Context(), fmt.Sprintf("DROP SCHEMA v%d CASCADE", mine.ID))
					b.faults.inject(versionDropped)
					return err
				}
				return nil
			}
			assert.Equal(t, after.ID, served(t))
			assert.True(t, done)
			b.faults.before = nil
		})
	}
	t.Run("it retries the events when no version can be read", func(t *testing.T) {
		live, err := b.db.Live(t.Context())
		require.NoError(t, err)
		_, err = b.conn.Exec(t.Context(), fmt.Sprintf("ALTER SCHEMA v%d RENAME TO hidden", live.Version.ID))
		require.NoError(t, err)
		in := b.batch(click("u00002", 90, 90), recsysImpression())
		assert.Equal(t, in.Records[0].Kinesis.SequenceNumber, b.handle(in))
		_, err = b.conn.Exec(t.Context(), fmt.Sprintf("ALTER SCHEMA hidden RENAME TO v%d", live.Version.ID))
		require.NoError(t, err)
		assert.Empty(t, b.handle(in))
	})
}

func recsysImpression() recsys.Event {
	e := click("u00002", 91, 91)
	e.EventType = recsys.Impression
	return e
}

func TestHandler_searches_as_configured(t *testing.T) {
	t.Parallel()
	const searched = "searched in Postgres"
	start := func(t *testing.T, search config.Search) *bundle {
		t.Parallel()
		b := setup(t, &postgrestest.Fixture{})
		b.Search = search
		return b
	}
	t.Run("it never searches Postgres with memory", func(t *testing.T) {
		b := start(t, config.Search{Mode: config.SearchInMemory, Memory: 64})
		b.faults.before = func(step string) error {
			assert.NotContains(t, step, "search")
			return nil
		}
		require.Empty(t, b.send(click("u00001", 1, 1)), "the first batch loads the items")
		require.NotEmpty(t, b.last()["u00001"].Items)
		b.promote(postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "next", Seed: 5}))
		require.Empty(t, b.send(click("u00001", 2, 2)))
	})
	t.Run("it retries the records with memory if the items do not fit", func(t *testing.T) {
		b := start(t, config.Search{Mode: config.SearchInMemory})
		in := b.batch(click("u00001", 1, 1))
		require.Equal(t, in.Records[0].Kinesis.SequenceNumber, b.handle(in))
		b.Search.Mode, b.memory, b.reader = config.SearchAuto, nil, nil
		require.Empty(t, b.handle(in), "searched in Postgres")
	})
	t.Run("it always searches Postgres with pgvector", func(t *testing.T) {
		b := start(t, inPostgres)
		n := 0
		b.injects(t, searched)
		b.faults.before = func(step string) error {
			if step == "search" {
				n++
				b.faults.inject(searched)
			}
			return nil
		}
		for i := range 3 {
			require.Empty(t, b.send(click("u00001", i, i)))
		}
		require.Equal(t, 3, n)
		require.Nil(t, b.memory)
	})
}

func TestHandler_loads_the_candidate_before_its_promotion(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	for n := range 3 {
		require.Empty(t, b.send(click("u00001", n, n)))
	}
	next := postgrestest.Build(t, b.db, postgrestest.Fixture{RunID: "next", Seed: 5})
	late, err := b.db.PrepareReaders(t.Context(), next.ID, 0)
	require.NoError(t, err)
	require.Equal(t, 1, late, "the function has reported")
	for n := range 2 {
		require.Empty(t, b.send(click("u00001", 10+n, 10+n)))
	}
	late, err = b.db.PrepareReaders(t.Context(), next.ID, 0)
	require.NoError(t, err)
	require.Zero(t, late)
	b.promote(next)
	b.faults.before = func(step string) error {
		assert.NotContains(t, step, "search")
		return nil
	}
	require.Empty(t, b.send(click("u00001", 20, 20)))
	require.Equal(t, next.ID, b.last()["u00001"].Version)
}

func TestHandler_loads_the_items_before_the_first_batch(t *testing.T) {
	t.Parallel()
	b := setup(t, &postgrestest.Fixture{})
	b.faults.before = func(step string) error {
		assert.NotContains(t, step, "search")
		return nil
	}
	require.NoError(t, b.open(t.Context()))
	b.warmUp(t.Context())
	require.Empty(t, b.send(click("u00001", 1, 1)))
	require.NotEmpty(t, b.last()["u00001"].Items)
	b.faults.before = nil

	b.restart()
	b.injects(t, "loading fails")
	b.faults.before = func(step string) error {
		if step == "hold" {
			b.faults.inject("loading fails")
			return errors.New("loading fails")
		}
		return nil
	}
	require.NoError(t, b.open(t.Context()))
	b.warmUp(t.Context())
	require.Empty(t, b.send(click("u00001", 2, 2)), "searched in Postgres")
}
