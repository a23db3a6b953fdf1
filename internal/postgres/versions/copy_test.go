package versions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

const copyDimension = 16

// copyBundle is a loading version and a connection to inspect the database.
type copyBundle struct {
	*postgrestest.Store
	version recsys.Version
	conn    *pgx.Conn
}

func newCopyBundle(t *testing.T) copyBundle {
	t.Helper()
	s := postgrestest.New(t)
	m := &recsys.Manifest{
		SchemaVersion: recsys.ManifestSchemaVersion, RunID: "copy", Dimension: copyDimension,
		Parameters: recsys.Parameters{Trainer: recsys.ALS, Rank: copyDimension, MeanItems: 1}, Interest: recsys.DefaultInterest(),
		Gram:         make([]float64, copyDimension*copyDimension),
		Coverage:     recsys.Coverage{To: time.Unix(2e9, 0), StoredTo: time.Unix(2e9, 0)},
		HoldoutBound: "0000000000000000",
		Files: []recsys.File{{
			Kind: recsys.ItemsFile, Key: recsys.RunPrefix("copy") + "items/a.parquet",
			Bytes: 1, SHA256: strings.Repeat("0", 64), Rows: 1,
		}},
	}
	v, err := s.CreateVersion(t.Context(), versions.NewVersion{Manifest: m})
	require.NoError(t, err)
	return copyBundle{s, v, postgrestest.Conn(t, s)}
}

func (b copyBundle) claim(t *testing.T, slot string) versions.Claim {
	t.Helper()
	c, err := b.Claim(t.Context(), b.version.ID, slot)
	require.NoError(t, err)
	return c
}

func (b copyBundle) rows(t *testing.T, table string) (n int) {
	t.Helper()
	require.NoError(t, b.conn.QueryRow(t.Context(), fmt.Sprintf("SELECT count(*) FROM v%d.%s", b.version.ID, table)).Scan(&n))
	return n
}

func TestCopyFile_stores_items(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	want := trainingruntest.Items(0, 5_000, copyDimension)
	want[4].Title, want[5].ItemID, want[6].Tags = "日本 \"quoted\" \\ tab\tnew\nline", "идентификатор", nil
	var progress []int64
	n, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.ItemsFile, want),
		versions.WithProgress(func(rows int64) { progress = append(progress, rows) }))
	require.NoError(t, err)
	require.EqualValues(t, len(want), n)
	require.True(t, slices.IsSorted(progress))
	require.EqualValues(t, len(want), progress[len(progress)-1])

	slices.SortFunc(want, func(a, b trainingruntest.Item) int { return strings.Compare(a.ItemID, b.ItemID) })
	var got trainingruntest.Item
	var vector pgvector.Vector
	i := 0
	rows, err := b.conn.Query(t.Context(), fmt.Sprintf(`
		SELECT item_id, embedding, coalesce(title, ''), coalesce(category, ''), tags, available, popularity,
			title = '' OR category = '' FROM v%d.items ORDER BY item_id`, b.version.ID))
	require.NoError(t, err)
	var empty *bool
	_, err = pgx.ForEachRow(rows, []any{&got.ItemID, &vector, &got.Title, &got.Category, &got.Tags, &got.Available, &got.Popularity, &empty}, func() error {
		got.Embedding = vector.Slice()
		require.Equal(t, want[i], got)
		require.False(t, empty != nil && *empty, "missing text is null")
		got.Tags, got.Available, got.Popularity = nil, nil, nil
		i++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(want), i)

	c := b.claim(t, "a")
	require.True(t, c.Done)
	require.EqualValues(t, len(want), c.Rows)
}

func TestCopyFile_stores_users(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	want := trainingruntest.Users(0, 3000, copyDimension, 100)
	// A row larger than what the driver sends at once.
	for i := range recsys.MaxHistory - len(want[77].HistoryItems) {
		want[77].HistoryItems = append(want[77].HistoryItems, fmt.Sprintf("item-%0100d", i))
		want[77].HistoryWeights = append(want[77].HistoryWeights, 0.25)
	}
	want[77].ReferenceTime = time.Date(1969, 7, 20, 20, 17, 40, 123456000, time.UTC)
	n, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.UsersFile, want))
	require.NoError(t, err)
	require.EqualValues(t, len(want), n)

	rows, err := b.conn.Query(t.Context(), fmt.Sprintf(`
		SELECT user_id, embedding, history_items, history_weights, reference_time, seen_items FROM v%d.users ORDER BY user_id`, b.version.ID))
	require.NoError(t, err)
	var got trainingruntest.User
	var vector *pgvector.Vector
	var reference *time.Time
	i := 0
	_, err = pgx.ForEachRow(rows, []any{&got.UserID, &vector, &got.HistoryItems, &got.HistoryWeights, &reference, &got.SeenItems}, func() error {
		w := want[i]
		require.Equal(t, w.UserID, got.UserID)
		require.Equal(t, w.Embedding == nil, vector == nil)
		if vector != nil {
			require.Equal(t, w.Embedding, vector.Slice())
		}
		require.Equal(t, append([]string{}, w.HistoryItems...), got.HistoryItems)
		require.Equal(t, append([]float32{}, w.HistoryWeights...), got.HistoryWeights)
		require.Equal(t, append([]string{}, w.SeenItems...), got.SeenItems)
		require.Equal(t, w.ReferenceTime.IsZero(), reference == nil)
		require.True(t, reference == nil || reference.Equal(w.ReferenceTime))
		i++
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(want), i)
}

func TestCopyFile_stores_the_holdout(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	want := trainingruntest.Events(3000)
	n, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.HoldoutFile, want))
	require.NoError(t, err)
	require.EqualValues(t, len(want), n)
	rows, err := b.conn.Query(t.Context(), fmt.Sprintf(`
		SELECT user_id, event_id, item_id, event_type, value, occurred_at, answer FROM v%d.holdout ORDER BY event_id`, b.version.ID))
	require.NoError(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[trainingruntest.Event])
	require.NoError(t, err)
	for i := range got {
		got[i].OccurredAt = got[i].OccurredAt.UTC()
	}
	require.Equal(t, want, got)
}

func TestCopyFile_accepts_a_file_without_rows(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	n, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.HoldoutFile, []trainingruntest.Event{}))
	require.NoError(t, err)
	require.Zero(t, n)
	require.True(t, b.claim(t, "a").Done)
}

func TestCopyFile_does_nothing_for_a_completed_claim(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	rows := trainingruntest.Events(50)
	_, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.HoldoutFile, rows))
	require.NoError(t, err)
	n, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.HoldoutFile, rows))
	require.NoError(t, err)
	require.EqualValues(t, 50, n)
	require.Equal(t, 50, b.rows(t, "holdout"))
}

// TestCopyFile_rejects_an_invalid_row has the bad row at the end, when nearly all rows
// have been sent.
func TestCopyFile_rejects_an_invalid_row(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	items := trainingruntest.Items(0, 5_000, copyDimension)
	items[4998].Embedding[3] = float32(math.NaN())
	_, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.ItemsFile, items))
	require.ErrorIs(t, err, recsys.ErrManifestInvalid)
	require.ErrorContains(t, err, "items/part-00000.snappy.parquet: row 4999: embedding")
	require.Zero(t, b.rows(t, "items"))
	require.False(t, b.claim(t, "a").Done)
	b.requireIdle(t)
}

func TestCopyFile_does_not_check_duplicates(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	items := trainingruntest.Items(0, 100, copyDimension)
	items[99].ItemID = items[0].ItemID
	_, err := b.CopyFile(t.Context(), b.claim(t, "a"), trainingruntest.Open(t, copyDimension, recsys.ItemsFile, items))
	require.NoError(t, err)
	err = b.BuildIndexes(t.Context(), b.claim(t, versions.IndexSlot), func(versions.IndexProgress) {})
	require.ErrorIs(t, err, recsys.ErrManifestInvalid)
}

func TestCopyFile_rejects_another_dimension(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	content, f := trainingruntest.File(t, recsys.ItemsFile, trainingruntest.Items(0, 100, 8))
	r, err := trainingrun.Open(bytes.NewReader(content), f.Bytes, f, 8)
	require.NoError(t, err)
	defer r.Close()
	_, err = b.CopyFile(t.Context(), b.claim(t, "a"), r)
	require.ErrorContains(t, err, "expected 16 dimensions")
	require.Zero(t, b.rows(t, "items"))
}

// hooked calls before ahead of each batch.
type hooked struct {
	versions.BatchSource
	before func(batch int) error
	batch  int
}

func (h *hooked) Next() (trainingrun.Batch, error) {
	h.batch++
	if err := h.before(h.batch); err != nil {
		return nil, err
	}
	return h.BatchSource.Next()
}

func TestCopyFile_is_fenced(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	items := trainingruntest.Items(0, 5_000, copyDimension)

	early := b.claim(t, "early")
	b.claim(t, "early")
	_, err := b.CopyFile(t.Context(), early, &hooked{before: func(int) error {
		t.Error("it reads although it has been replaced")
		return io.EOF
	}})
	require.ErrorIs(t, err, recsys.ErrFenced)

	late := b.claim(t, "late")
	_, err = b.CopyFile(t.Context(), late, &hooked{trainingruntest.Open(t, copyDimension, recsys.ItemsFile, items), func(batch int) error {
		if batch == 2 {
			_, err := b.Claim(t.Context(), b.version.ID, "late")
			return err
		}
		return nil
	}, 0})
	require.ErrorIs(t, err, recsys.ErrFenced)
	require.Zero(t, b.rows(t, "items"))
	b.requireIdle(t)
}

func TestCopyFile_stops_when_its_version_has_failed(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	c := b.claim(t, "a")
	require.NoError(t, b.Fail(t.Context(), b.version.ID, "for the test"))
	_, err := b.CopyFile(t.Context(), c, trainingruntest.Open(t, copyDimension, recsys.ItemsFile, trainingruntest.Items(0, 10, copyDimension)))
	require.ErrorIs(t, err, recsys.ErrFenced)
}

func TestCopyFile_stops_when_canceled(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := b.CopyFile(ctx, b.claim(t, "a"), &hooked{endless{}, func(batch int) error {
		if batch == 20 {
			cancel()
		}
		return nil
	}, 0})
	require.ErrorIs(t, err, context.Canceled)
	b.requireIdle(t)
	require.Zero(t, b.rows(t, "items"))
}

func TestCopyFile_returns_the_error_of_its_source(t *testing.T) {
	t.Parallel()
	b := newCopyBundle(t)
	broken := errors.New("input/output error")
	faults := harnesstest.CountFaults(t)
	for _, at := range []int{1, 3} {
		_, err := b.CopyFile(t.Context(), b.claim(t, "a"), &hooked{endless{}, func(batch int) error {
			if batch == at {
				faults.Inject("source failed")
				return broken
			}
			return nil
		}, 0})
		require.ErrorIs(t, err, broken)
	}
	b.requireIdle(t)
	require.Zero(t, b.rows(t, "items"))
}

// endless yields items forever.
type endless struct{}

func (endless) Next() (trainingrun.Batch, error) {
	items := &trainingrun.Items{}
	for i := range 1000 {
		items.IDs = append(items.IDs, fmt.Sprint(i))
		items.Vectors = append(items.Vectors, make([]float32, copyDimension)...)
		items.Titles = append(items.Titles, "")
		items.Categories = append(items.Categories, "")
		items.Tags = append(items.Tags, nil)
		items.Available = append(items.Available, true)
		items.Popularity = append(items.Popularity, 1)
	}
	return items, nil
}

// requireIdle waits until no other session of the database is in a transaction.
func (b copyBundle) requireIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var open int
		err := b.conn.QueryRow(t.Context(), `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`).Scan(&open)
		return err == nil && open == 0
	}, 10*time.Second, 10*time.Millisecond)
}
