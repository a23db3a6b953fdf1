package admin_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestDatabase(t *testing.T) {
	address := postgrestest.EmptyURL(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	password, _ := u.User.Password()
	u.User = url.User(u.User.Username())
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_DATABASE_URL", u.String())
	t.Setenv("RECFLOW_DATABASE_PASSWORD", password)

	t.Run("status reports an empty database", func(t *testing.T) {
		got := clitest.Run(t.Context(), "", "database", "status")
		require.Equal(t, 1, got.Code)
		require.Contains(t, got.Err, "migrations first")
	})

	t.Run("migrate creates the schema and the users, and a second run changes nothing", func(t *testing.T) {
		var first string
		for range 2 {
			got := clitest.Run(t.Context(), "", "database", "migrate", "-o", "json")
			require.Zero(t, got.Code, got.Err)
			require.NotContains(t, got.Out+got.Err, password)
			var status struct {
				SchemaVersion int `json:"schema_version"`
				SchemaWanted  int `json:"schema_wanted"`
				Users         []postgres.RoleState
			}
			require.NoError(t, json.Unmarshal([]byte(got.Out), &status))
			require.Equal(t, status.SchemaWanted, status.SchemaVersion)
			require.Len(t, status.Users, 4)
			for _, user := range status.Users {
				require.Equal(t, postgres.RoleState{Role: user.Role, Exists: true, Admitted: true}, user)
			}
			if first == "" {
				first = got.Out
			}
			require.Equal(t, first, got.Out)
		}
		got := clitest.Run(t.Context(), "", "database", "status")
		require.Zero(t, got.Code, got.Err)
		require.Contains(t, got.Out, "authenticates with a password")
	})

	t.Run("status lists what a single-user database lacks", func(t *testing.T) {
		t.Setenv("RECFLOW_DATABASE_PASSWORD", "")
		t.Setenv("RECFLOW_DATABASE_URL", postgrestest.URL(t))
		got := clitest.Run(t.Context(), "", "database", "status")
		require.Zero(t, got.Code, got.Err)
		require.Contains(t, got.Out, "run `recflow database migrate`")
	})

	t.Run("a token is not sent over an unverified connection", func(t *testing.T) {
		t.Setenv("RECFLOW_DATABASE_PASSWORD", "")
		t.Setenv("RECFLOW_DATABASE_AUTH", "iam")
		t.Setenv("RECFLOW_DATABASE_URL", "postgres://recflow_owner@db.example.com:5432/recflow")
		got := clitest.Run(t.Context(), "", "database", "migrate")
		require.Equal(t, 1, got.Code)
		require.Contains(t, got.Err, "sslmode=verify-full")
	})
}
