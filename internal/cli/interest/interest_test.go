package interest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }

func TestInterestShow_prints_a_file_to_start_from(t *testing.T) {
	t.Parallel()
	r := clitest.Run(t.Context(), "", "interest", "show", "--defaults")
	require.Zero(t, r.Code, r.Err)
	path := filepath.Join(t.TempDir(), "interest.yaml")
	require.NoError(t, os.WriteFile(path, []byte(r.Out), 0o600))
	s, err := app.ReadInterest(path)
	require.NoError(t, err)
	in, err := s.Interest()
	require.NoError(t, err)
	require.Equal(t, recsys.DefaultInterest(), in)

	r = clitest.Run(t.Context(), "", "interest", "show", "--defaults", "-o", "csv")
	require.Contains(t, r.Out, "type,weight,value_use\npurchase,5,ignore\nadd_to_cart,3,ignore\n")
}

func TestInterest_of_the_live_version(t *testing.T) {
	store := clitest.NewSystem(t)
	clitest.StartAPI(t, clitest.NoTemporal)
	r := clitest.Run(t.Context(), "", "interest", "show")
	require.Zero(t, r.Code, r.Err)
	assert.Contains(t, r.Out, "# Interest: the defaults, because no version is live")
	r = clitest.Run(t.Context(), "", "interest", "check")
	require.Equal(t, app.ExitNotFound, r.Code)
	assert.Contains(t, r.Err, "train once with `recflow refresh`")

	v := postgrestest.Build(t, store, postgrestest.Fixture{
		Items: 30, Users: 10, Interest: recsys.Interest{Weights: map[string]float64{"transaction": 5}, ValueUse: map[string]string{"transaction": "log"}, Floor: 0.01},
		Change: func(d *postgrestest.Data) { d.Holdout = nil },
		ChangeManifest: func(m *recsys.Manifest) {
			m.Input.EventTypes = []recsys.TypeInput{{Type: "view", Events: 80, Counting: 80}, {Type: "transaction", Events: 20, Counting: 18, Negative: 2}}
			m.Input.UserTypes = []recsys.UserTypes{{Types: []string{"view"}, Users: 8}, {Types: []string{"transaction"}, Users: 2}}
			m.Input.ItemTypes = []recsys.ItemTypes{{Types: []string{"view"}, Items: 30}}
		},
	})
	postgrestest.Promote(t, store, v.ID)
	r = clitest.Run(t.Context(), "", "interest", "show")
	require.Zero(t, r.Code, r.Err)
	assert.Contains(t, r.Out, "live version 1; the schedule cannot be read")
	assert.Contains(t, r.Out, "value_use:\n  transaction: log\n")

	path := filepath.Join(t.TempDir(), "interest.yaml")
	require.NoError(t, os.WriteFile(path, []byte("weights: {view: 1, transaction: 5}\n"), 0o600))
	r = clitest.Run(t.Context(), "", "interest", "check", "--interest", path)
	require.Zero(t, r.Code, r.Err)
	clitest.Golden(t, "check", strings.ReplaceAll(r.Out, path, "interest.yaml"))

	r = clitest.Run(t.Context(), "", "interest", "check", "-o", "json")
	require.Zero(t, r.Code, r.Err)
	var report apiclient.InterestReport
	require.NoError(t, json.Unmarshal([]byte(r.Out), &report))
	assert.Equal(t, []int64{18, 2, 8}, []int64{report.Check.Counting, report.Check.Negative, report.Check.UsersWithout}, "without a file it is that of the live version")
	assert.Equal(t, "log", report.Check.Types[1].ValueUse)

	require.NoError(t, os.WriteFile(path, []byte("weights: {view: lots}\n"), 0o600))
	r = clitest.Run(t.Context(), "", "interest", "check", "--interest", path)
	assert.Equal(t, app.ExitUsage, r.Code)
	r = clitest.Run(t.Context(), "", "interest", "check", "--version", "9")
	assert.Equal(t, app.ExitNotFound, r.Code)
}
