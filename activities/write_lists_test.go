package activities

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/local/aws/glue/gluetest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

// listBundle is a live version with users of every stage, and a lists backfill.
type listBundle struct {
	steps
	env     *testsuite.TestActivityEnvironment
	version recsys.Version
	users   []string
	b       backfill.Backfill
	in      WriteListsInput // of window 0
}

func setupLists(t *testing.T, windows int, settings backfill.ListSettings) *listBundle {
	t.Helper()
	a, _, env := setup(t, gluetest.Options{})
	l := &listBundle{steps: a, env: env}
	var data postgrestest.Data
	l.version = postgrestest.Build(t, a.Store, postgrestest.Fixture{Items: 60, Users: 120, Change: func(d *postgrestest.Data) { data = *d }})
	postgrestest.Promote(t, a.Store, l.version.ID)
	for i, u := range data.Users {
		l.users = append(l.users, u.ID)
		if i%7 == 0 {
			l.click(t, u.ID, data.Items[i%60].ItemID)
		}
	}
	l.click(t, "session", data.Items[0].ItemID)
	l.users = append(l.users, "session")
	slices.Sort(l.users)
	b, _, err := a.Store.CreateBackfill(t.Context(), postgrestest.Lists(t, "lists", l.version.ID, windows, settings))
	require.NoError(t, err)
	l.b = b
	l.in = WriteListsInput{BackfillID: b.ID, RunID: backfill.ListsRunID(b), Windows: windows, Version: l.version.ID, Settings: settings, Attempt: 1}
	return l
}

func (l *listBundle) click(t *testing.T, user, item string) {
	postgrestest.Stream(t, l.Store, recsys.Event{
		EventID: user + " " + item, UserID: user, ItemID: item, EventType: recsys.Click, OccurredAt: l.version.Coverage.To.Add(time.Hour),
	})
}

func (l *listBundle) write(t *testing.T, window int) (backfill.WrittenLists, error) {
	t.Helper()
	in := l.in
	in.Window = window
	var out backfill.WrittenLists
	value, err := l.env.ExecuteActivity(l.WriteLists, in)
	if err == nil {
		require.NoError(t, value.Get(&out))
	}
	return out, err
}

// listRow is a row as readers of the files see it.
type listRow struct {
	UserID           string    `parquet:"user_id"`
	RecommendationID string    `parquet:"recommendation_id"`
	Version          int64     `parquet:"version"`
	Stage            string    `parquet:"stage"`
	GeneratedAt      time.Time `parquet:"generated_at,timestamp(millisecond)"`
	Items            []struct {
		ItemID string  `parquet:"item_id"`
		Rank   int32   `parquet:"rank"`
		Score  float64 `parquet:"score"`
	} `parquet:"items,list"`
}

func (l *listBundle) read(t *testing.T, files []backfill.ListFile) (rows []listRow) {
	t.Helper()
	for _, f := range files {
		data, err := l.S3.Get(t.Context(), f.Key, 1<<30)
		require.NoError(t, err)
		require.EqualValues(t, f.Bytes, len(data))
		found, err := parquet.Read[listRow](bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		require.EqualValues(t, f.Rows, len(found))
		rows = append(rows, found...)
	}
	return rows
}

func (l *listBundle) keys(t *testing.T) (keys []string) {
	t.Helper()
	for o, err := range l.S3.List(t.Context(), backfill.ListsPrefix) {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	return keys
}

func TestWriteLists_equal_those_of_requests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings backfill.ListSettings
		memory   int64
	}{
		"in memory":             {backfill.ListSettings{K: 20}, 1 << 30},
		"in Postgres":           {backfill.ListSettings{K: 20}, 0},
		"longer than a catalog": {backfill.ListSettings{K: 1000, ExcludeSeen: recommend.SeenNone}, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := setupLists(t, 3, c.settings)
			l.Search = recommend.NewSlot(l.Embeddings, c.memory)
			lists := recommend.Recommender{Versions: l.Versions, Embeddings: l.Embeddings}
			var users []string
			for window := range 3 {
				began := time.Now().Truncate(time.Millisecond)
				out, err := l.write(t, window)
				require.NoError(t, err)
				rows := l.read(t, out.Files)
				require.EqualValues(t, len(rows), out.Lists)
				require.True(t, slices.IsSortedFunc(rows, func(a, b listRow) int { return strings.Compare(a.UserID, b.UserID) }))
				stages := map[string]int64{}
				for _, r := range rows {
					require.True(t, backfill.WindowHashes(window, 3).Contains(r.UserID))
					require.WithinRange(t, r.GeneratedAt, began, time.Now())
					want, err := lists.Recommend(t.Context(), recommend.Request{UserID: r.UserID, K: c.settings.K, ExcludeSeen: c.settings.ExcludeSeen})
					require.NoError(t, err)
					require.Equal(t, []any{want.RecommendationID, want.Version, want.Stage}, []any{r.RecommendationID, r.Version, r.Stage})
					require.Equal(t, len(want.Items), len(r.Items))
					for i, item := range want.Items {
						require.Equal(t, []any{item.ItemID, int32(item.Rank), item.Score}, []any{r.Items[i].ItemID, r.Items[i].Rank, r.Items[i].Score})
					}
					users, stages[r.Stage] = append(users, r.UserID), stages[r.Stage]+1
				}
				require.Equal(t, stages, out.Stages)
			}
			slices.Sort(users)
			require.Equal(t, l.users, users, "every user is in one window, once")
		})
	}
}

func TestWriteLists_of_a_file_of_users(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 2, backfill.ListSettings{K: 5, Users: "list-users/some.csv"})
	_, err := l.write(t, 0)
	require.Contains(t, requireType(t, err, DataInvalid, true).Message(), "list-users/some.csv is not in the bucket")

	require.NoError(t, l.S3.Put(t.Context(), "list-users/some.csv", strings.NewReader("user_id\n"+l.users[3]+"\nstranger\nsession\nstranger\n")))
	var rows []listRow
	for window := range 2 {
		out, err := l.write(t, window)
		require.NoError(t, err)
		rows = append(rows, l.read(t, out.Files)...)
	}
	stages := map[string]string{}
	for _, r := range rows {
		stages[r.UserID] = r.Stage
	}
	require.Len(t, rows, 3, "an id that repeats has one row")
	require.Equal(t, map[string]string{l.users[3]: recommend.Personalized, "stranger": recommend.Popular, "session": recommend.Session}, stages)

	require.NoError(t, l.S3.Put(t.Context(), "list-users/some.csv", strings.NewReader("user_id\nsecret\x01\n")))
	_, err = l.write(t, 1)
	text := requireType(t, err, DataInvalid, true).Message()
	require.Contains(t, text, "list-users/some.csv, line 2: user_id contains a control character")
	require.NotContains(t, text, "secret")
	value, err := l.env.ExecuteActivity(l.PlanLists, PlanListsInput{Version: l.version.ID, Settings: backfill.ListSettings{K: 5}})
	require.NoError(t, err)
	var plan PlanListsResult
	require.NoError(t, value.Get(&plan))
	require.Equal(t, PlanListsResult{Users: int64(len(l.users)), Bytes: int64(len(l.users)) * 5 * itemBytes}, plan)
}

func TestWriteLists_replaces_the_files_of_an_earlier_attempt(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 1, backfill.ListSettings{K: 5})
	run := l.in.RunID
	for part := range 3 {
		require.NoError(t, l.S3.Put(t.Context(), backfill.ListsFileKey(run, 0, part), strings.NewReader("of an earlier attempt")))
	}
	other := backfill.ListsFileKey(run, 1, 0)
	require.NoError(t, l.S3.Put(t.Context(), other, strings.NewReader("of another window")))
	out, err := l.write(t, 0)
	require.NoError(t, err)
	require.Len(t, l.read(t, out.Files), len(l.users))
	require.Equal(t, []string{out.Files[0].Key, other}, l.keys(t))
}

func TestWriteLists_of_a_dropped_version(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 1, backfill.ListSettings{K: 5})
	l.in.Version = postgrestest.Build(t, l.Store, postgrestest.Fixture{RunID: "other", Items: 20, Users: 20}).ID
	require.NoError(t, l.Store.Delete(t.Context(), versions.Deletion{Version: l.in.Version}))
	_, err := l.write(t, 0)
	requireType(t, err, VersionGone, true)
	_, err = l.env.ExecuteActivity(l.PlanLists, PlanListsInput{Version: l.in.Version})
	requireType(t, err, VersionGone, true)
}

func TestWriteLists_returns_at_once_if_the_worker_is_busy(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 1, backfill.ListSettings{K: 5})
	_, release, err := l.Search.Acquire(t.Context())
	require.NoError(t, err)
	_, err = l.write(t, 0)
	app := requireType(t, err, workerBusy, false)
	require.Equal(t, busyDelay, app.NextRetryDelay())
	release()
	_, err = l.write(t, 0)
	require.NoError(t, err)
}

func TestWriteLists_reports_a_bucket_that_refuses(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 1, backfill.ListSettings{K: 5})
	l.S3 = awsclient.NewS3(awstest.Config(t), "no-such-bucket")
	_, err := l.write(t, 0)
	requireType(t, err, ListsNotWritten, true)
}

func TestWriteListsManifest(t *testing.T) {
	t.Parallel()
	l := setupLists(t, 2, backfill.ListSettings{K: 5, Category: ""})
	_, err := l.Store.StartBackfill(t.Context(), l.b.ID, 1, "run")
	require.NoError(t, err)
	manifest := func() error {
		_, err := l.env.ExecuteActivity(l.WriteListsManifest, BackfillRound{ID: l.b.ID, Round: 1})
		return err
	}
	var files []backfill.ListFile
	for window := range 2 {
		require.NoError(t, manifest())
		require.NotContains(t, l.keys(t), backfill.ListsManifestKey(l.in.RunID), "not before the last window")
		w := backfill.Window{Index: window, Attempt: 1}
		_, err := l.env.ExecuteActivity(l.StartWindow, BackfillWindow{ID: l.b.ID, Kind: backfill.Lists, Window: w})
		require.NoError(t, err)
		out, err := l.write(t, window)
		require.NoError(t, err)
		files = append(files, out.Files...)
		w.State, w.Version, w.Lists = backfill.Succeeded, l.version.ID, &out
		_, err = l.env.ExecuteActivity(l.EndWindow, BackfillWindow{ID: l.b.ID, Kind: backfill.Lists, Window: w})
		require.NoError(t, err)
	}
	orphan := backfill.ListsFileKey(l.in.RunID, 1, 7)
	require.NoError(t, l.S3.Put(t.Context(), orphan, strings.NewReader("of an attempt that was slower")))
	for range 2 { // a retry changes nothing
		require.NoError(t, manifest())
	}
	require.Equal(t, []string{files[0].Key, files[1].Key, backfill.ListsManifestKey(l.in.RunID)}, l.keys(t))
	data, err := l.S3.Get(t.Context(), backfill.ListsManifestKey(l.in.RunID), 1<<20)
	require.NoError(t, err)
	var m backfill.ListsManifest
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&m))
	require.Equal(t, files, m.Files)
	require.EqualValues(t, len(l.users), m.Users)
	require.EqualValues(t, len(l.users), m.Stages[recommend.Personalized]+m.Stages[recommend.Session])
	require.Equal(t, []any{l.version.ID, 2, 5}, []any{m.Version, m.Windows, m.Settings.K})
	require.False(t, m.EndedAt.Before(m.StartedAt))

	require.NoError(t, l.S3.Put(t.Context(), files[1].Key, strings.NewReader("changed")))
	requireType(t, manifest(), Conflict, true)
	require.NoError(t, l.S3.DeleteObjects(t.Context(), files[0].Key, files[1].Key))
	require.ErrorContains(t, manifest(), fmt.Sprintf("%s is not in the bucket", files[0].Key))
}
