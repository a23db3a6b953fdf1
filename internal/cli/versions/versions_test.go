package versions_test

import (
	"encoding/json"
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

func TestVersionsCommand(t *testing.T) {
	s := clitest.NewSystem(t)
	clitest.WithVersions(t, s)
	clitest.StartAPI(t, clitest.NoTemporal)

	t.Run("it lists versions", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "list")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "versions_list", r.Out)
		var versions []recsys.Version
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "versions", "list", "-o", "json").Out), &versions))
		assert.Len(t, versions, 2)
		r = clitest.Run(t.Context(), "", "versions", "list", "--limit", "1", "-o", "csv")
		assert.Equal(t, 2, strings.Count(r.Out, "\n"), r.Out)
	})
	t.Run("it completes the numbers of versions", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "__complete", "versions", "show", "")
		assert.Equal(t, "2\trefused\n1\tready\n:4\n", r.Out)
	})
	t.Run("it shows the live version with its gates and metrics", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "show")
		require.Equal(t, 0, r.Code, r.Err)
		clitest.Golden(t, "versions_show", r.Out)
	})
	t.Run("it shows why a version was refused", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "show", "2")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "✗ refused")
		assert.Contains(t, r.Out, "mean recall@100 is 0.91; raise m")
		var report apiclient.VersionReport
		require.NoError(t, json.Unmarshal([]byte(clitest.Run(t.Context(), "", "versions", "show", "2", "-o", "json").Out), &report))
		assert.Equal(t, recsys.Refused, report.State)
		assert.Equal(t, 0.98, report.Gates[0].Threshold)
	})
	t.Run("it refuses to promote what a gate refused", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "promote", "2")
		assert.Equal(t, app.ExitRefused, r.Code)
		assert.Contains(t, r.Err, "recall")
		assert.Contains(t, r.Err, "recflow versions show 2")
	})
	t.Run("it promotes, rolls back and keeps the audit", func(t *testing.T) {
		third := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "run-c"})
		require.EqualValues(t, 3, third.ID)
		r := clitest.Run(t.Context(), "", "versions", "promote", "3", "--reason", "newer", "-o", "json")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, clitest.Run(t.Context(), "", "recommend", "u00001").Out, "version 3")

		r = clitest.Run(t.Context(), "", "versions", "rollback", "--reason", "odd lists")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "run-a")
		show := clitest.Run(t.Context(), "", "versions", "show").Out
		assert.Contains(t, show, "odd lists")
		assert.Contains(t, show, "rollback")
		changes, err := s.LiveChanges(t.Context(), 10)
		require.NoError(t, err)
		assert.Equal(t, "newer", changes[1].Reason)
		assert.Equal(t, "local", changes[1].Actor)
	})
	t.Run("it pins and unpins", func(t *testing.T) {
		require.Equal(t, 0, clitest.Run(t.Context(), "", "versions", "pin", "3").Code)
		v, err := s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.True(t, v.Pinned)
		require.Equal(t, 0, clitest.Run(t.Context(), "", "versions", "unpin", "3").Code)
		v, err = s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.False(t, v.Pinned)
	})
	t.Run("it compares versions", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "diff", "1", "3", "-k", "10")
		require.Equal(t, 0, r.Code, r.Err)
		assert.Contains(t, r.Out, "overlap@10")
		assert.Contains(t, r.Out, "rank-biased overlap")
	})
	t.Run("it deletes a version that is not needed", func(t *testing.T) {
		r := clitest.Run(t.Context(), "", "versions", "delete", "1")
		assert.Equal(t, app.ExitConflict, r.Code)
		assert.Contains(t, r.Err, "it is live")
		r = clitest.Run(t.Context(), "", "versions", "delete", "3")
		require.Equal(t, 0, r.Code, r.Err)
		v, err := s.Version(t.Context(), 3)
		require.NoError(t, err)
		assert.Equal(t, recsys.Dropped, v.State)
	})
	t.Run("it reports an unknown version", func(t *testing.T) {
		for _, args := range [][]string{{"versions", "show", "99"}, {"versions", "promote", "99"}, {"versions", "pin", "99"}, {"recommend", "u00001", "--version", "99"}, {"similar", "i00001", "--version", "99"}} {
			r := clitest.Run(t.Context(), "", args...)
			assert.Equal(t, app.ExitNotFound, r.Code, args)
			assert.Equal(t, "error: there is no version 99; see `recflow versions list`\n", r.Err)
		}
		assert.Equal(t, 2, clitest.Run(t.Context(), "", "versions", "show", "newest").Code)
	})
}
