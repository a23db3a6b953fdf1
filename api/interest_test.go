package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestInterestCheck(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, "not_found", h.Do("POST", "/interest/check", `{}`).Problem(t).Code, "there is no version")
	old := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "old", Items: 30, Users: 10})
	require.Equal(t, http.StatusNotFound, h.Do("POST", "/interest/check", `{}`).Status, "its training is older than the counts")

	counted := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "counted", Items: 30, Users: 10, ChangeManifest: func(m *recsys.Manifest) {
		m.Input.EventTypes = []recsys.TypeInput{{Type: "view", Events: 80, Counting: 80}, {Type: "transaction", Events: 20, Counting: 20}}
		m.Input.UserTypes = []recsys.UserTypes{{Types: []string{"view"}, Users: 8}, {Types: []string{"transaction"}, Users: 2}}
		m.Input.ItemTypes = []recsys.ItemTypes{{Types: []string{"view"}, Items: 30}}
	}})
	check := func(body string) (r apiclient.InterestReport) {
		t.Helper()
		a := h.Do("POST", "/interest/check", body)
		require.Equal(t, http.StatusOK, a.Status, string(a.Body))
		a.Into(t, &r)
		return r
	}
	r := check(`{}`)
	require.Equal(t, counted.ID, r.Version)
	require.Equal(t, []int64{100, 80, 2, 0}, []int64{r.Check.Events, r.Check.Counting, r.Check.UsersWithout, r.Check.ItemsWithout})
	require.Nil(t, r.Live)

	postgrestest.Promote(t, h.Store, old.ID)
	r = check(`{"interest":{"weights":{"Transaction":5},"value_use":{"transaction":"value"}}}`)
	require.Equal(t, []int64{100, 20, 8, 30}, []int64{r.Check.Events, r.Check.Counting, r.Check.UsersWithout, r.Check.ItemsWithout})
	require.Equal(t, "value", r.Check.Types[1].ValueUse)
	require.Equal(t, old.ID, r.Live.Version)
	require.EqualValues(t, 80, r.Live.Check.Counting, "the same events under the interest of the live version")

	require.Equal(t, http.StatusNotFound, h.Do("POST", "/interest/check", map[string]any{"version": old.ID}).Status)
	require.Equal(t, http.StatusNotFound, h.Do("POST", "/interest/check", `{"version": 99}`).Status)
	wrong := h.Do("POST", "/interest/check", `{"interest":{"weights":{"a":-1}}}`).Problem(t)
	require.Equal(t, "interest: no event type has a weight above 0, so no event would count", wrong.Errors[0].Message)
}
