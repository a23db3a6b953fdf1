package backfill_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/recflow/recflow/internal/backfill"
)

func TestWindowHashes_partition_the_users(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, backfill.MaxWindows).Draw(t, "windows")
		user := rapid.String().Draw(t, "user")
		next, in := uint64(0), 0
		for i := range n {
			r := backfill.WindowHashes(i, n)
			require.Equal(t, next, uint64(r.First), "it begins where the last one ended")
			require.LessOrEqual(t, r.First, r.Last)
			next = uint64(r.Last) + 1
			if r.Contains(user) {
				in++
			}
		}
		require.Equal(t, uint64(1)<<32, next)
		require.Equal(t, 1, in)
	})
}

func TestCutLists(t *testing.T) {
	t.Parallel()
	cut, err := backfill.CutLists(3)
	require.NoError(t, err)
	require.Equal(t, []backfill.Window{{Index: 0, State: backfill.Pending}, {Index: 1, State: backfill.Pending}, {Index: 2, State: backfill.Pending}}, cut)
	for _, n := range []int{-1, 0, backfill.MaxWindows + 1} {
		_, err := backfill.CutLists(n)
		require.ErrorContains(t, err, "use 1 to 2000")
	}
	require.Equal(t, []int{1, 1, 2, 32}, []int{backfill.ListWindows(0), backfill.ListWindows(20_000), backfill.ListWindows(20_001), backfill.ListWindows(1e9)})
}

func TestListKeys(t *testing.T) {
	t.Parallel()
	b := backfill.Backfill{ID: "7k2mxq4c", Kind: backfill.Lists, Version: 12, CreatedAt: time.Date(2025, 1, 9, 3, 31, 0, 5, time.UTC)}
	run := backfill.ListsRunID(b)
	require.Equal(t, "20250109T033100Z-7k2mxq4c", run)
	require.Equal(t, "lists/run=20250109T033100Z-7k2mxq4c/00003-001.parquet", backfill.ListsFileKey(run, 3, 1))
	require.Equal(t, "lists/run=20250109T033100Z-7k2mxq4c/_manifest.json", backfill.ListsManifestKey(run))
	require.Equal(t, "backfill-lists-v12-7k2mxq4c-r2", backfill.WorkflowID(b, 2))
}

func TestCheckListUsers(t *testing.T) {
	t.Parallel()
	require.NoError(t, backfill.CheckListUsers("list-users/a/b.csv"))
	for _, key := range []string{"", "list-users/", "raw/events/x", "list-users/a\nb", "list-users/" + strings.Repeat("x", 1024)} {
		require.Error(t, backfill.CheckListUsers(key), key)
	}
}

func TestNewListsManifest_sums_the_windows(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return time.Unix(int64(s), 0).UTC() }
	b := backfill.Backfill{ID: "x", Version: 7, CreatedAt: at(0), StartedAt: at(1), Windows: []backfill.Window{
		{EndedAt: at(9), Lists: &backfill.WrittenLists{Lists: 3, Stages: map[string]int64{"session": 1, "popular": 2}, Files: []backfill.ListFile{{Key: "a", Rows: 3, Bytes: 30}}}},
		{EndedAt: at(5), Lists: &backfill.WrittenLists{Lists: 1, Stages: map[string]int64{"popular": 1}, Files: []backfill.ListFile{{Key: "b", Rows: 1, Bytes: 10}}}},
	}}
	m := backfill.NewListsManifest(b, backfill.ListSettings{K: 5})
	require.Equal(t, backfill.ListsManifest{
		SchemaVersion: 1, RunID: "19700101T000000Z-x", BackfillID: "x", Version: 7, Settings: backfill.ListSettings{K: 5}, Windows: 2, Users: 4,
		Stages: map[string]int64{"session": 1, "popular": 3}, Files: []backfill.ListFile{{Key: "a", Rows: 3, Bytes: 30}, {Key: "b", Rows: 1, Bytes: 10}},
		StartedAt: at(1), EndedAt: at(9),
	}, m)
}

// docs/data.md describes the manifest.
func TestListsManifest_has_the_fields_of_the_documentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/data.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "## `lists/run=<run>/`")
	require.True(t, found)
	_, example, _ := strings.Cut(section, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	var m backfill.ListsManifest
	decoder := json.NewDecoder(strings.NewReader(example))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&m))
	again, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, example, string(again), "every field is in the example")
	for _, v := range []reflect.Value{reflect.ValueOf(m), reflect.ValueOf(m.Settings), reflect.ValueOf(m.Files[0])} {
		for i := range v.NumField() {
			require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
		}
	}
}
