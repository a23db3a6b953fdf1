package postgres_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/local/pgserver/pgservertest"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

// owned is a server on which recflow_owner is not a superuser and owns a
// database, as the master user of RDS does.
type owned struct {
	server *pgserver.Server
	super  *pgx.Conn
	url    string // of the database, as the owner
}

const ownersPassword = "owner"

func newOwned(t *testing.T) *owned {
	t.Helper()
	o := &owned{server: pgservertest.Server(t)}
	admin := o.connect(t, o.server.URL("postgres"))
	o.exec(t, admin, "CREATE ROLE recflow_owner LOGIN CREATEROLE CREATEDB PASSWORD '"+ownersPassword+"'")
	o.exec(t, admin, "CREATE DATABASE recflow OWNER recflow_owner")
	o.super = o.connect(t, o.server.URL("recflow"))
	o.exec(t, o.super, "CREATE EXTENSION vector") // the master user of RDS may create it
	o.url = o.as(t, postgres.RoleOwner, ownersPassword)
	return o
}

func (o *owned) as(t *testing.T, role, password string) string {
	t.Helper()
	u, err := url.Parse(o.server.URL("recflow"))
	require.NoError(t, err)
	u.User = url.UserPassword(role, password)
	return u.String()
}

func (o *owned) connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

func (o *owned) exec(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), statement)
	require.NoError(t, err)
}

func (o *owned) migrate(t *testing.T) error {
	return postgres.MigrateAndGrant(t.Context(), postgres.Options{URL: o.url})
}

// old creates a live version as the owner, without component users.
func (o *owned) old(t *testing.T) recsys.Version {
	t.Helper()
	require.NoError(t, postgres.Migrate(t.Context(), o.url))
	s := postgrestest.Open(t, o.url)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 20})
	postgrestest.Promote(t, s, v.ID)
	return v
}

// memberOf reports whether the owner is a direct or indirect member of a role.
func (o *owned) memberOf(t *testing.T, role string) (member bool) {
	t.Helper()
	require.NoError(t, o.super.QueryRow(t.Context(), "SELECT pg_has_role('recflow_owner'::name, $1::name, 'MEMBER')", role).Scan(&member))
	return member
}

// works creates, reads and drops versions as the components do.
func (o *owned) works(t *testing.T, old recsys.Version) {
	t.Helper()
	for _, role := range postgres.Roles() {
		o.exec(t, o.super, "ALTER ROLE "+role+" PASSWORD 'test'")
	}
	loader := postgrestest.Open(t, o.as(t, postgres.RoleLoader, "test"))
	stream := postgrestest.Open(t, o.as(t, postgres.RoleStream, "test"))
	_, err := stream.Users(t.Context(), old, []string{"u00001"})
	require.NoError(t, err)
	v := postgrestest.Build(t, loader, postgrestest.Fixture{RunID: "new", Items: 20, Users: 20})
	postgrestest.Promote(t, loader, v.ID)
	_, err = stream.Users(t.Context(), v, []string{"u00001"})
	require.NoError(t, err)
	api := postgrestest.Open(t, o.as(t, postgres.RoleAPI, "test"))
	require.NoError(t, api.Delete(t.Context(), versions.Deletion{Version: old.ID, RollbackTarget: true}))
	dropped, err := loader.Prune(t.Context(), versions.PruneOptions{})
	require.NoError(t, err)
	require.Equal(t, []int64{old.ID}, dropped)
}

func TestMigrateAndGrant_works_for_an_owner_without_superuser(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	old := o.old(t)
	for range 2 {
		require.NoError(t, o.migrate(t))
	}
	o.works(t, old)

	t.Run("it returns an error if tokens would lock the owner out", func(t *testing.T) {
		require.True(t, o.memberOf(t, postgres.RoleLoader), "the creator of a role administers it")
		o.exec(t, o.super, "CREATE ROLE rds_iam")
		require.ErrorContains(t, o.migrate(t), "recflow_owner is a member of recflow_loader")
		require.False(t, o.memberOf(t, "rds_iam"))
	})
}

// The test imitates RDS with the role rds_iam and the rule that its members
// sign in with tokens only. On RDS the master user may grant it without being a
// member, for which Postgres requires a superuser.
func TestMigrateAndGrant_lets_the_owner_sign_in_with_tokens_enabled(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	old := o.old(t)
	o.exec(t, o.super, "CREATE ROLE rds_iam")
	require.ErrorContains(t, o.migrate(t), "recflow_owner may not grant rds_iam to recflow_loader; run the migration as the master user")
	for _, role := range postgres.Roles() {
		o.exec(t, o.super, "GRANT rds_iam TO "+role)
	}
	for range 2 {
		require.NoError(t, o.migrate(t))
	}
	o.works(t, old)

	require.False(t, o.memberOf(t, "rds_iam"))
	hba := filepath.Join(o.server.Data, "pg_hba.conf")
	rules, err := os.ReadFile(hba)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(hba, append([]byte("host all +rds_iam 127.0.0.1/32 reject\n"), rules...), 0o600))
	o.exec(t, o.super, "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		_, err := pgx.Connect(t.Context(), o.as(t, postgres.RoleLoader, "test"))
		return err != nil
	}, 30*time.Second, 20*time.Millisecond, "members of rds_iam still have a password")
	require.NoError(t, o.migrate(t), "the owner can no longer sign in")

	var helpers int
	require.NoError(t, o.super.QueryRow(t.Context(), "SELECT count(*) FROM pg_roles WHERE rolname = 'recflow_maker'").Scan(&helpers))
	require.Zero(t, helpers)
}

func TestMigrateAndGrant_transfers_a_superusers_schema_to_the_owner(t *testing.T) {
	t.Parallel()
	url := postgrestest.URL(t)
	s := postgrestest.Open(t, url)
	old := postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 20})
	for range 2 {
		postgrestest.Grant(t, url)
	}
	var others int
	require.NoError(t, postgrestest.Conn(t, s).QueryRow(t.Context(), `
		SELECT count(*)
		FROM pg_class
		WHERE relnamespace::regnamespace::text ~ '^(recflow|v[0-9]+)$'
		AND relowner <> CASE WHEN relnamespace = 'recflow'::regnamespace THEN 'recflow_owner'::regrole ELSE 'recflow_loader'::regrole END`).Scan(&others))
	require.Zero(t, others)
	stream := postgrestest.Open(t, postgrestest.URLAs(t, url, postgres.RoleStream))
	_, err := stream.Users(t.Context(), old, []string{"u00001"})
	require.NoError(t, err)
}

// RDS upgrades the library of pgvector with a minor version of Postgres, and leaves the
// extension as it was created.
func TestMigrateAndGrant_updates_an_outdated_extension(t *testing.T) {
	t.Parallel()
	o := newOwned(t)
	o.exec(t, o.super, "UPDATE pg_extension SET extversion = '0.8.1' WHERE extname = 'vector'")
	err := o.migrate(t)
	require.ErrorContains(t, err, "pgvector 0.8.1 has a memory safety bug")
	require.ErrorContains(t, err, "SQLSTATE 42501", "why it was not updated")

	require.NoError(t, postgres.Migrate(t.Context(), o.server.URL("recflow")), "as the master user of RDS may")
	var version string
	require.NoError(t, o.super.QueryRow(t.Context(), "SELECT extversion FROM pg_extension WHERE extname = 'vector'").Scan(&version))
	require.NotEqual(t, "0.8.1", version)
}
