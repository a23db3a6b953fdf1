package recommendations_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestRecommendCommand(t *testing.T) {
	clitest.WithVersions(t, clitest.NewSystem(t))
	clitest.StartAPI(t, clitest.NoTemporal)

	t.Run("it prints a table per user and names the stage", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "stranger", "-k", "3")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "recommend", r.Out)
		assert.Empty(t, r.Err)
	})
	t.Run("it prints exactly the columns of the CSV", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "users.txt")
		require.NoError(t, os.WriteFile(file, []byte("u00005\n\n  u00006\r\nstranger\n"), 0o600))
		r := clitest.Run(t.Context(), "", "recommend", "--users", file, "-k", "100", "-o", "csv")
		require.Equal(t, 0, r.Code, r.Err)
		rows, err := csv.NewReader(strings.NewReader(r.Out)).ReadAll()
		require.NoError(t, err)
		assert.Equal(t, []string{"user_id", "item_id", "rank", "score", "stage", "version"}, rows[0])
		require.Len(t, rows, 301)
		assert.Equal(t, "u00005", rows[1][0])
		assert.Equal(t, "100", rows[100][2])
		assert.Equal(t, []string{recsys.StagePersonalized, "1"}, rows[200][4:])
		assert.Equal(t, []string{"stranger", recsys.StagePopular}, []string{rows[201][0], rows[201][4]})
		_, err = strconv.ParseFloat(rows[1][3], 64)
		require.NoError(t, err)
		assert.Contains(t, r.Err, "3 users")
	})
	t.Run("it requests more users than fit into a request, in their order", func(t *testing.T) {
		var users []string
		for i := range 250 {
			users = append(users, fmt.Sprintf("u%05d", i))
		}
		for _, args := range [][]string{{"--users", "-"}, users} {
			r := clitest.Run(t.Context(), strings.Join(users, "\n"), append([]string{"recommend", "-k", "1", "-o", "json"}, args...)...)
			require.Equal(t, 0, r.Code, r.Err)
			assert.Contains(t, r.Err, "250 users")
			var lists []apiclient.List
			require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
			var got []string
			for _, l := range lists {
				got = append(got, l.UserID)
			}
			assert.Equal(t, users, got)
		}
	})
	t.Run("it reads users from standard input", func(t *testing.T) {
		r := clitest.Run(t.Context(), "u00007\nu00008\n", "recommend", "--users", "-", "-k", "2", "-o", "json", "--quiet")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []apiclient.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.Len(t, lists, 2)
		assert.Equal(t, "u00008", lists[1].UserID)
		assert.Len(t, lists[1].Items, 2)
		assert.NotEmpty(t, lists[1].Items[0].Title)
		assert.Empty(t, r.Err)
	})
	t.Run("it skips a byte order mark, and rejects what is not UTF-8", func(t *testing.T) {
		r := clitest.Run(t.Context(), "\ufeffu00007\r\nu00008\r\n", "recommend", "--users", "-", "-k", "1", "-o", "json", "--quiet")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []apiclient.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.Len(t, lists, 2)
		assert.Equal(t, []string{"u00007", recsys.StagePersonalized}, []string{lists[0].UserID, lists[0].Stage})

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
	t.Run("it applies a category and a tag", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "-k", "400", "--category", "c2", "--tag", "even", "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		var lists []apiclient.List
		require.NoError(t, json.Unmarshal([]byte(r.Out), &lists))
		require.NotEmpty(t, lists[0].Items)
		for _, it := range lists[0].Items {
			assert.Equal(t, "c2", it.Category)
			assert.Contains(t, it.Tags, "even")
		}
		none := clitest.Run(t.Context(), "", "recommend", "u00005", "--category", "no such")
		assert.Equal(t, 0, none.Code)
		assert.Contains(t, none.Out, "no item matches")
	})
	t.Run("it reads a refused version if it is requested", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "recommend", "u00005", "--version", "2")
		assert.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "version 2")
		assert.Equal(t, app.ExitNotFound, clitest.Run(t.Context(), "", "recommend", "u00005", "--version", "77").Code)
	})
	t.Run("it refuses a list that is too long", func(t *testing.T) {
		for _, args := range [][]string{{"recommend", "u00005"}, {"recommend", "--recent", "i000010"}, {"similar", "i000010"}} {
			r := clitest.Run(t.Context(), "", append(args, "-k", "1001")...)
			assert.Equal(t, app.ExitUsage, r.Code, args)
			assert.Contains(t, r.Err, "k expected number <= 1000", args)
		}
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

// TestRecommendWithoutASolution gives the live version a Gram matrix that
// cannot be solved: only a user with new events needs a solution.
func TestRecommendWithoutASolution(t *testing.T) {
	s := clitest.NewSystem(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{ChangeManifest: func(m *recsys.Manifest) { m.Gram[0] = -1e6 }})
	_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	clitest.StartAPI(t, clitest.NoTemporal)
	postgrestest.Stream(t, s, recsys.Event{EventID: "e", UserID: "u00003", ItemID: "i000010", EventType: recsys.Click, OccurredAt: time.Now()})

	r := clitest.Run(t.Context(), "", "recommend", "u00002", "u00003", "stranger", "-k", "1", "-o", "csv")
	assert.Equal(t, 1, r.Code)
	assert.Contains(t, r.Err, "error: user u00003: internal server error")
	rows, err := csv.NewReader(strings.NewReader(r.Out)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 3, "the others have their lists")
	assert.Equal(t, []string{"u00002", "stranger"}, []string{rows[1][0], rows[2][0]})
}

func TestSimilarCommand(t *testing.T) {
	clitest.WithVersions(t, clitest.NewSystem(t))
	clitest.StartAPI(t, clitest.NoTemporal)
	t.Run("it prints a table", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "i000010", "-k", "3")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "similar", r.Out)
	})
	t.Run("it prints CSV and JSON", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "i000010", "-k", "3", "-o", "csv")
		assert.True(t, strings.HasPrefix(r.Out, "item_id,similar_item_id,rank,score,version\ni000010,"), r.Out)
		var list apiclient.List
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "similar", "i000010", "-o", "json").Out), &list))
		assert.Equal(t, "i000010", list.Item.ItemID)
		assert.Len(t, list.Items, 10)
	})
	t.Run("it suggests an item if the requested one does not exist", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "similar", "milk")
		assert.Equal(t, app.ExitNotFound, r.Code)
		assert.Contains(t, r.Err, `version 1: unknown item "milk"; ids are as imported, try `)
		assert.Contains(t, r.Err, "(Item ")
	})
}

func TestWithoutASystem(t *testing.T) {
	commands := [][]string{{"recommend", "u"}, {"recommend", "--recent", "i"}, {"similar", "i"}, {"explain", "u", "i"}, {"versions", "list"}, {"versions", "show"}}
	t.Run("it says how to start the stack", func(t *testing.T) {
		t.Setenv("RECFLOW_HOME", t.TempDir())
		t.Setenv("RECFLOW_API_URL", "")
		t.Setenv("RECFLOW_TEMPORAL_ADDRESS", "")
		for _, args := range append(commands, []string{"refresh"}) {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 1, r.Code)
			assert.Contains(t, r.Err, "start it with `recflow up`, or set RECFLOW_", args)
		}
	})
	t.Run("it reports an unreachable API", func(t *testing.T) {
		t.Setenv("RECFLOW_HOME", t.TempDir())
		t.Setenv("RECFLOW_API_URL", "http://127.0.0.1:1")
		for _, args := range commands {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 1, r.Code, args)
			assert.Contains(t, r.Err, "the API at http://127.0.0.1:1 is unreachable", args)
			assert.Equal(t, 1, strings.Count(r.Err, "start the local stack with `recflow up`"), r.Err)
		}
	})
	t.Run("it names the scope that the token lacks", func(t *testing.T) {
		s := clitest.NewSystem(t)
		clitest.WithVersions(t, s)
		clitest.StartAPI(t, clitest.NoTemporal, "RECFLOW_API_AUTH=token")
		text, key, digest := apiclient.MintToken()
		_, err := s.CreateToken(t.Context(), ledger.NewToken{
			Token: ledger.Token{Name: "shop", Scopes: []string{apiclient.ScopeEvents}, CreatedBy: "test"}, Key: key, Digest: digest,
		})
		require.NoError(t, err)
		t.Setenv("RECFLOW_API_TOKEN", text)
		for _, args := range commands {
			scope := apiclient.ScopeRecommend
			if args[0] == "versions" {
				scope = apiclient.ScopeRead
			}
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, 1, r.Code, args)
			assert.Contains(t, r.Err, "the token does not have the scope "+scope+"; create a token with it", args)
		}
	})
	t.Run("it says how to create a first version", func(t *testing.T) {
		clitest.NewSystem(t)
		clitest.StartAPI(t, clitest.NoTemporal)
		for _, args := range [][]string{{"recommend", "u"}, {"recommend", "--recent", "i"}, {"recommend", "u", "--watch"}, {"similar", "i"}, {"explain", "u", "i"}, {"versions", "show"}} {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, app.ExitConflict, r.Code, args)
			assert.Equal(t, "error: no version is live; train one with `recflow refresh --wait`\n", r.Err, args)
		}
		assert.Equal(t, "[]\n", clitest.Run(t.Context(), "", "versions", "list", "-o", "json").Out)
	})
}
