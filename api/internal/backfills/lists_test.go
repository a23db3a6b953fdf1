package backfills

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/api/internal/apitest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
)

func itoa(id int64) string { return strconv.FormatInt(id, 10) }

func TestLists(t *testing.T) {
	t.Parallel()
	h := newHarness(t, apitest.WithTemporal)
	s3 := awstest.S3(t)
	h.WithWorkerOn(t, s3)
	require.Equal(t, "no_live_version", h.Do("POST", "/backfill", `{"kind":"lists"}`).Problem(t).Code)
	old := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "old", Items: 40, Users: 30})
	live := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "live", Items: 40, Users: 50})
	postgrestest.Promote(t, h.Store, live.ID)

	t.Run("it plans without a change", func(t *testing.T) {
		var plan apiclient.Plan
		a := h.Do("POST", "/backfill", `{"kind":"lists","lists":{"k":10,"windows":5},"dry_run":true}`)
		require.Equal(t, http.StatusOK, a.Status, string(a.Body))
		a.Into(t, &plan)
		require.Equal(t, &apiclient.ListsPlan{Version: live.ID, Users: 50, Bytes: 50 * 10 * 11}, plan.Lists)
		require.Equal(t, []int{5, 5, 0}, []int{len(plan.Windows), plan.Run, plan.Skip})
		require.EqualValues(t, 10, plan.Windows[4].Rows)
		require.NotContains(t, string(a.Body), `"to"`)
		require.Len(t, h.Audited(), 1, "nothing was changed")
		p := h.Do("POST", "/backfill", `{"kind":"lists","lists":{"users":"list-users/none"},"dry_run":true}`).Problem(t)
		require.Contains(t, p.Detail+p.Title, "list-users/none is not in the bucket")
	})

	t.Run("it writes the lists of a version and their manifest", func(t *testing.T) {
		var b apiclient.Backfill
		a := h.Do("POST", "/backfill", `{"kind":"lists","lists":{"version":`+itoa(old.ID)+`,"k":7,"windows":3,"exclude_seen":"none"},"max_parallel":3}`)
		require.Equal(t, http.StatusAccepted, a.Status, string(a.Body))
		a.Into(t, &b)
		require.Equal(t, old.ID, b.Version)
		require.Contains(t, b.TemporalUI, "backfill-lists-v"+itoa(old.ID)+"-"+b.ID)
		b = h.overSoon(b.ID)
		require.Equal(t, backfill.Succeeded, b.State, b.Error)
		require.Equal(t, "lists/run="+backfill.ListsRunID(b.Backfill)+"/_manifest.json", b.Manifest)
		data, err := s3.Get(t.Context(), b.Manifest, 1<<20)
		require.NoError(t, err)
		var m backfill.ListsManifest
		require.NoError(t, json.Unmarshal(data, &m))
		require.Equal(t, []any{int64(30), old.ID, 7, "none", 3}, []any{m.Users, m.Version, m.Settings.K, m.Settings.ExcludeSeen, len(m.Files)})
		require.Equal(t, b.Windows[1].Lists.Files[0], m.Files[1])
		require.JSONEq(t, `{"k":7,"exclude_seen":"none"}`, string(b.Request))

		var again apiclient.Plan
		h.Do("POST", "/backfill", `{"kind":"lists","dry_run":true}`).Into(t, &again)
		require.Positive(t, again.Minutes, "estimated from the lists")
	})

	t.Run("it reads a file of users", func(t *testing.T) {
		require.NoError(t, s3.Put(t.Context(), "list-users/two", strings.NewReader("u00001\nsomeone\n")))
		var b apiclient.Backfill
		h.Do("POST", "/backfill", `{"kind":"lists","lists":{"users":"list-users/two"}}`).Into(t, &b)
		b = h.overSoon(b.ID)
		require.Equal(t, backfill.Succeeded, b.State, b.Error)
		require.Equal(t, backfill.WindowCount{Total: 1, Succeeded: 1}, b.Count)
		require.EqualValues(t, 2, b.Windows[0].Rows)

		require.NoError(t, s3.Put(t.Context(), "list-users/two", strings.NewReader("u00001\n\x01\n")))
		h.Do("POST", "/backfill", `{"kind":"lists","lists":{"users":"list-users/two"}}`).Into(t, &b)
		b = h.overSoon(b.ID)
		require.Equal(t, backfill.Failed, b.State)
		require.Contains(t, b.Windows[0].Error, "list-users/two, line 2")
	})

	t.Run("it refuses what does not apply", func(t *testing.T) {
		gone := postgrestest.Build(t, h.Store, postgrestest.Fixture{RunID: "gone", Items: 40, Users: 30})
		require.NoError(t, h.Store.Delete(t.Context(), versions.Deletion{Version: gone.ID}))
		for body, says := range map[string]string{
			`{"kind":"lists","from":"2025-01-01T00:00:00Z"}`:             "from is not valid for lists",
			`{"kind":"lists","rerun":"all"}`:                             "rerun is not valid for lists",
			`{"kind":"lists","training":{"rank":8}}`:                     "training is not valid for lists",
			`{"kind":"lists","lists":{"users":"raw/events/x"}}`:          "users is not a key under list-users/",
			`{"kind":"lists","lists":{"version":99}}`:                    "version 99 does not exist",
			`{"kind":"lists","lists":{"k":1001}}`:                        "1000",
			`{"kind":"refresh","lists":{}}`:                              "lists requires kind lists",
			`{"kind":"lists","lists":{"version":` + itoa(gone.ID) + `}}`: "dropped",
		} {
			a := h.Do("POST", "/backfill", body)
			require.GreaterOrEqual(t, a.Status, 400, body)
			require.Contains(t, string(a.Body), says, body)
		}
	})
}
