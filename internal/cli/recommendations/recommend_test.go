package recommendations_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/recommend"
)

func TestRecommendCommand(t *testing.T) {
	clitest.WithVersions(t, clitest.NewSystem(t))

	t.Run("it prints a table a user and names the stage", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "nobody", "-k", "3")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "recommend", r.Out)
		assert.Empty(t, r.Err)
	})
	t.Run("it prints exactly the columns of the CSV", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "users.txt")
		require.NoError(t, os.WriteFile(file, []byte("u00005\n\n  u00006\r\nnobody\n"), 0o600))
		r := clitest.Run(t.Context(), "", "recommend", "--users", file, "-k", "100", "-o", "csv")
		require.Equal(t, 0, r.Code, r.Err)
		rows, err := csv.NewReader(strings.NewReader(r.Out)).ReadAll()
		require.NoError(t, err)
		assert.Equal(t, []string{"user_id", "item_id", "rank", "score", "stage", "version"}, rows[0])
		require.Len(t, rows, 301)
		assert.Equal(t, "u00005", rows[1][0])
		assert.Equal(t, "100", rows[100][2])
		assert.Equal(t, []string{recommend.Personalised, "1"}, rows[200][4:])
		assert.Equal(t, []string{"nobody", recommend.Popular}, []string{rows[201][0], rows[201][4]})
		_, err = strconv.ParseFloat(rows[1][3], 64)
		require.NoError(t, err)
		assert.Contains(t, r.Err, "3 users")
	})
	t.Run("it reads users from standard input", func(t *testing.T) {
		r := clitest.Run(t.Context(), "u00007\nu00008\n", "recommend", "--users", "-", "-k", "2", "-o", "json", "--quiet")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []recommend.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.Len(t, lists, 2)
		assert.Equal(t, "u00008", lists[1].UserID)
		assert.Len(t, lists[1].Items, 2)
		assert.NotEmpty(t, lists[1].Items[0].Title)
		assert.Empty(t, r.Err)
	})
	t.Run("it reads past a byte order mark, and refuses what is not UTF-8", func(t *testing.T) {
		r := clitest.Run(t.Context(), "\ufeffu00007\r\nu00008\r\n", "recommend", "--users", "-", "-k", "1", "-o", "json", "--quiet")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []recommend.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.Len(t, lists, 2)
		assert.Equal(t, []string{"u00007", recommend.Personalised}, []string{lists[0].UserID, lists[0].Stage})

		r = clitest.Run(t.Context(), "\xff\xfeu\x001\x00\n\x00", "recommend", "--users", "-")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "standard input: is not UTF-8 text (UTF-16, or binary)")
		r = clitest.Run(t.Context(), "u00007\n\nu\x001\x00\n", "recommend", "--users", "-")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "standard input, line 3: user contains a control character")
		assert.Empty(t, clitest.Run(t.Context(), "\ufeff", "recommend", "--users", "-", "-o", "csv", "-q").Err)
	})
	t.Run("it prints whole JSON and a CSV head for no users", func(t *testing.T) {
		assert.Equal(t, "[]\n", clitest.Run(t.Context(), "", "recommend", "--users", "-", "-o", "json").Out)
		assert.Equal(t, "user_id,item_id,rank,score,stage,version\n", clitest.Run(t.Context(), "", "recommend", "--users", "-", "-o", "csv").Out)
	})
	t.Run("it keeps to a category and a tag", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "-k", "400", "--category", "c2", "--tag", "even", "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []recommend.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.NotEmpty(t, lists[0].Items)
		for _, it := range lists[0].Items {
			assert.Equal(t, "c2", it.Category)
			assert.Contains(t, it.Tags, "even")
		}
		none := clitest.Run(t.Context(), "", "recommend", "u00005", "--category", "no such")
		assert.Equal(t, 0, none.Code)
		assert.Contains(t, none.Out, "no item meets the conditions")
	})
	t.Run("it reads a refused version when told to", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "--version", "2")
		assert.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "version 2")
		assert.Equal(t, app.ExitNotFound, clitest.Run(t.Context(), "", "recommend", "u00005", "--version", "77").Code)
	})
	for name, args := range map[string][]string{
		"neither users nor a file": {"recommend"},
		"both":                     {"recommend", "u1", "--users", "f"},
		"a length of nothing":      {"recommend", "u1", "-k", "0"},
		"an unknown format":        {"recommend", "u1", "-o", "xml"},
		"an unknown flag":          {"recommend", "u1", "--nonsense"},
	} {
		t.Run("it calls "+name+" wrong usage", func(t *testing.T) {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 2, r.Code, r.Err)
			assert.NotEmpty(t, r.Err)
		})
	}
}

func TestSimilarCommand(t *testing.T) {
	clitest.WithVersions(t, clitest.NewSystem(t))
	t.Run("it prints a table", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "i000010", "-k", "3")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "similar", r.Out)
	})
	t.Run("it prints CSV and JSON", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "i000010", "-k", "3", "-o", "csv")
		assert.True(t, strings.HasPrefix(r.Out, "item_id,similar_item_id,rank,score,version\ni000010,"), r.Out)
		var list recommend.List
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "similar", "i000010", "-o", "json").Out), &list))
		assert.Equal(t, "i000010", list.Item.ItemID)
		assert.Len(t, list.Items, 10)
	})
	t.Run("it suggests an item when there is no such one", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "milk")
		assert.Equal(t, app.ExitNotFound, r.Code)
		assert.Contains(t, r.Err, `version 1: unknown item "milk"; ids are as imported, try `)
		assert.Contains(t, r.Err, "(Item ")
	})
}

func TestWithoutASystem(t *testing.T) {
	t.Run("it says how to start one", func(t *testing.T) {
		t.Setenv("RECFLOW_HOME", t.TempDir())
		t.Setenv("RECFLOW_DATABASE_URL", "")
		t.Setenv("RECFLOW_TEMPORAL_ADDRESS", "")
		for _, args := range [][]string{{"recommend", "u"}, {"similar", "i"}, {"versions", "list"}, {"refresh"}} {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 1, r.Code)
			assert.Contains(t, r.Err, "recflow up", args)
		}
	})
	t.Run("it says when the database is away, without its password", func(t *testing.T) {
		t.Setenv("RECFLOW_HOME", t.TempDir())
		t.Setenv("RECFLOW_DATABASE_URL", "postgres://recflow:secret-word@127.0.0.1:1/recflow")
		r := clitest.Run(t.Context(), "", "recommend", "u")
		assert.Equal(t, 1, r.Code)
		assert.Contains(t, r.Err, "127.0.0.1:1 does not answer; start the local stack with `recflow up`")
		assert.NotContains(t, r.Err, "secret-word")
	})
	t.Run("it says how to get a first version", func(t *testing.T) {
		clitest.NewSystem(t)
		for _, args := range [][]string{{"recommend", "u"}, {"similar", "i"}, {"versions", "show"}} {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 1, r.Code, args)
			assert.Contains(t, r.Err, "no version is live; train one with `recflow refresh --wait`", args)
		}
		assert.Equal(t, "[]\n", clitest.Run(t.Context(), "", "versions", "list", "-o", "json").Out)
	})
}
