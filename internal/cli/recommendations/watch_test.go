package recommendations_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

// watching runs a watch and returns its output line by line; end presses Ctrl-C
// and returns the exit code.
func watching(t *testing.T, args ...string) (lines *bufio.Scanner, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- cli.Run(ctx, append([]string{"recommend", "--watch"}, args...), app.Streams{In: strings.NewReader(""), Out: w, Err: io.Discard})
		w.Close()
	}()
	lines = bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	return lines, func() int {
		cancel()
		for lines.Scan() {
		}
		return <-code
	}
}

func TestRecommendWatch(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.WithVersions(t, store)
	clitest.StartAPI(t, clitest.NoTemporal)
	click := func(id, item string) recsys.Event {
		return recsys.Event{EventID: id, UserID: "stranger", ItemID: item, EventType: "click", OccurredAt: time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)}
	}
	t.Run("it prints a line of JSON for each change, and exits with 0", func(t *testing.T) {
		lines, end := watching(t, "stranger", "-k", "5", "-o", "json")
		next := func() (l apiclient.List) {
			require.True(t, lines.Scan())
			require.NoError(t, json.Unmarshal(lines.Bytes(), &l))
			return l
		}
		first := next()
		assert.Equal(t, recsys.StagePopular, first.Stage)
		postgrestest.Stream(t, store, click("e1", "i000010"))
		second := next()
		assert.Equal(t, recsys.StageSession, second.Stage)
		assert.NotEqual(t, first.RecommendationID, second.RecommendationID)
		assert.Zero(t, end())
	})
	t.Run("it shows the differences", func(t *testing.T) {
		lines, end := watching(t, "stranger", "-k", "5")
		require.True(t, lines.Scan())
		assert.Regexp(t, `^\d\d:\d\d:\d\d\.\d{3} · user stranger · session .* · version 1 · list [0-9a-f]{32}$`, lines.Text())
		require.True(t, lines.Scan())
		assert.NotContains(t, lines.Text(), "MOVED")
		postgrestest.Stream(t, store, click("e2", "i000200"), click("e3", "i000201"))
		for lines.Scan() && !strings.Contains(lines.Text(), "MOVED") {
		}
		assert.Contains(t, lines.Text(), "RANK")
		assert.Zero(t, end())
	})
	for name, args := range map[string][]string{"two users": {"a", "b"}, "CSV": {"a", "-o", "csv"}} {
		t.Run("it is not for "+name, func(t *testing.T) {
			assert.Equal(t, 2, clitest.Run(t.Context(), "", append([]string{"recommend", "--watch"}, args...)...).Code)
		})
	}
}

func TestRecommendWatch_survives_outages_of_the_API(t *testing.T) {
	t.Setenv("RECFLOW_HOME", t.TempDir())
	replies := []any{
		apiclient.List{RecommendationID: "a", UserID: "u"},
		apiclient.Problem{Status: http.StatusServiceUnavailable, Code: "database_unavailable", Detail: "the database is unreachable"},
		apiclient.Problem{Status: http.StatusTooManyRequests, Code: "too_many_requests", Detail: "rate limit exceeded"},
		apiclient.List{RecommendationID: "b", UserID: "u"},
		apiclient.Problem{Status: http.StatusUnauthorized, Code: "bad_token", Detail: "the token is unknown, revoked or expired"},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reply := replies[0]
		replies = replies[1:]
		if p, ok := reply.(apiclient.Problem); ok {
			w.Header().Set("Content-Type", apiclient.ProblemType)
			w.WriteHeader(p.Status)
		}
		assert.NoError(t, json.NewEncoder(w).Encode(reply))
	}))
	t.Cleanup(server.Close)
	t.Setenv("RECFLOW_API_URL", server.URL)

	r := clitest.Run(t.Context(), "", "recommend", "--watch", "u", "-o", "json")
	assert.Equal(t, 1, r.Code, "a refusal ends it")
	assert.Equal(t, 2, strings.Count(r.Out, "recommendation_id"), r.Out)
	assert.Equal(t, "failed to read the list, retrying: the database is unreachable\nerror: the token is unknown, revoked or expired\n", r.Err)
}
