package postgres_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// refused are the SQLSTATEs of a missing privilege and of a failed check in a
// function.
const (
	insufficientPrivilege = "42501"
	notInState            = "55000"
)

func TestRoles_deny_what_is_not_granted(t *testing.T) {
	t.Parallel()
	b := newRoles(t)
	loading := b.another(t, true)
	evaluation := b.another(t, false)
	owner := postgrestest.Conn(t, b.owner)
	_, err := owner.Exec(t.Context(), "UPDATE recflow.versions SET evaluation = true WHERE id = $1", evaluation.ID)
	require.NoError(t, err)
	require.NoError(t, b.owner.Record(t.Context(), ledger.Audit{Actor: "a", Action: "a", Outcome: ledger.NotDone}))

	everybody := []string{
		"CREATE TABLE recflow.mine (a int)",
		"CREATE TABLE public.mine (a int)",
		"DROP TABLE recflow.live",
		"ALTER TABLE recflow.audit DISABLE TRIGGER ALL",
		"TRUNCATE recflow.live_events",
		"UPDATE recflow.schema_version SET version = 1",
		"UPDATE recflow.live SET version_id = NULL",
		"INSERT INTO recflow.live_changes VALUES (99, 1, NULL, NULL, 'promote', 'a', 'b')",
		"UPDATE recflow.live_events SET user_id = 'x'",
		"UPDATE recflow.event_verdicts SET verdict = 'ignored'",
		"UPDATE recflow.audit SET actor = 'x'",
		"UPDATE recflow.item_changes SET revision = 1",
		"SELECT recflow.change_live(1, 0, true, 'promote', NULL, 'a', 'b')",
		"SELECT pg_read_file('PG_VERSION')",
		"COPY recflow.live TO PROGRAM 'cat'",
		"CREATE ROLE mine",
		"ALTER ROLE recflow_owner PASSWORD 'mine'",
		"SET ROLE recflow_owner",
	}
	noVersions := []string{
		"CREATE SCHEMA v99",
		"CREATE TEMPORARY TABLE mine (a int)",
		fmt.Sprintf("DROP SCHEMA v%d CASCADE", b.live.ID),
		fmt.Sprintf("UPDATE v%d.items SET popularity = 1", b.live.ID),
		fmt.Sprintf("INSERT INTO v%d.facets VALUES ('tag', 'x', 1)", b.live.ID),
		fmt.Sprintf("SELECT * FROM v%d.holdout", b.live.ID),
		"SELECT nextval('recflow.fencing_token')",
		"INSERT INTO recflow.gates VALUES (1, 1, '{}')",
		"DELETE FROM recflow.live_events",
		"UPDATE recflow.horizon SET stored_before = NULL",
		"DELETE FROM recflow.trainings",
		"DELETE FROM recflow.audit",
		"UPDATE recflow.versions SET state = 'ready'",
	}
	noPeople := []string{
		"SELECT * FROM recflow.tokens",
		"SELECT * FROM recflow.audit",
		"INSERT INTO recflow.audit (actor, action, outcome) VALUES ('a', 'b', 'done')",
		"INSERT INTO recflow.tokens (key, name, digest, scopes, created_by) VALUES ('k', 'n', '', '{admin}', 'me')",
		"UPDATE recflow.tokens SET revoked_at = NULL",
		"INSERT INTO recflow.item_state (item_id, available) VALUES ('i', false)",
		"UPDATE recflow.item_state SET available = NULL",
		"UPDATE recflow.versions SET pinned = true",
		"SELECT recflow.drop_version(1)",
		"SELECT recflow.roll_back(2, 'a', 'b')",
	}
	noUsers := []string{
		"SELECT * FROM recflow.live_events",
		"SELECT * FROM recflow.event_verdicts",
		fmt.Sprintf("SELECT * FROM v%d.users", b.live.ID),
		fmt.Sprintf("SELECT * FROM v%d.items", b.live.ID),
		"SELECT recflow.promote(1, 2, false, 'a', 'b')",
	}
	for role, statements := range map[string][][]string{
		postgres.RoleLoader: {everybody, noPeople, {
			"INSERT INTO recflow.live_events (event_id, user_id, item_id, event_type, occurred_at) VALUES ('e', 'u', 'i', 'click', now())",
			"UPDATE recflow.versions SET left_live_at = NULL",
			"UPDATE recflow.horizon SET trusted_before = now()",
			"UPDATE recflow.versions SET manifest = '{}'",
			"DELETE FROM recflow.versions",
		}},
		postgres.RoleStream: {everybody, noVersions, noPeople, {
			"SELECT recflow.promote(1, 2, false, 'a', 'b')",
			"SELECT * FROM recflow.backfills",
			"INSERT INTO recflow.live_events (event_id, user_id, item_id, event_type, occurred_at, stored_at) VALUES ('e', 'u', 'i', 'click', now(), '2020-01-01')",
			"DELETE FROM recflow.event_verdicts",
			"SELECT live_rank FROM recflow.evaluations",
		}},
		postgres.RoleAPI: {everybody, noVersions, {
			"INSERT INTO recflow.live_events (event_id, user_id, item_id, event_type, occurred_at) VALUES ('e', 'u', 'i', 'click', now())",
			"INSERT INTO recflow.audit (actor, action, outcome, at) VALUES ('a', 'b', 'done', '2020-01-01')",
			"UPDATE recflow.item_state SET catalog_available = NULL",
			"DELETE FROM recflow.tokens",
			"UPDATE recflow.tokens SET scopes = '{admin}'",
			"UPDATE recflow.backfills SET actor = 'x'",
			"DELETE FROM recflow.backfills",
			"INSERT INTO recflow.versions (run_id) VALUES ('x')",
		}},
		postgres.RoleAuditor: {everybody, noVersions, noUsers, {
			"SELECT * FROM recflow.tokens",
			"INSERT INTO recflow.audit (actor, action, outcome) VALUES ('a', 'b', 'done')",
			"SELECT recflow.drop_version(1)",
			"SELECT manifest FROM recflow.versions",
		}},
	} {
		conn := connectAs(t, b.url, role)
		for _, group := range statements {
			for _, statement := range group {
				require.Equal(t, insufficientPrivilege, codeOf(t, conn, statement), "%s may: %s", role, statement)
			}
		}
	}

	t.Run("it rejects invalid changes by functions for every role", func(t *testing.T) {
		api := connectAs(t, b.url, postgres.RoleAPI)
		for what, statement := range map[string]string{
			"promote a version that is loading":             fmt.Sprintf("SELECT recflow.promote(%d, 2, false, 'a', 'b')", loading.ID),
			"promote a version that does not exist":         "SELECT recflow.promote(4711, 2, false, 'a', 'b')",
			"promote a version for evaluation":              fmt.Sprintf("SELECT recflow.promote(%d, 2, false, 'a', 'b')", evaluation.ID),
			"promote from an old revision of the pointer":   fmt.Sprintf("SELECT recflow.promote(%d, 1, false, 'a', 'b')", b.earlier.ID),
			"roll back from an old revision of the pointer": "SELECT recflow.roll_back(1, 'a', 'b')",
			"drop the live version":                         fmt.Sprintf("SELECT recflow.drop_version(%d)", b.live.ID),
			"drop a version that is loading":                fmt.Sprintf("SELECT recflow.drop_version(%d)", loading.ID),
		} {
			require.Equal(t, notInState, codeOf(t, api, statement), what)
		}
		_, err := owner.Exec(t.Context(), "UPDATE recflow.horizon SET stored_before = '2100-01-01'")
		require.NoError(t, err)
		require.Equal(t, notInState, codeOf(t, api, fmt.Sprintf("SELECT recflow.promote(%d, 2, false, 'a', 'b')", b.earlier.ID)), "promote a version behind the horizon")
	})

	t.Run("it grants nothing to PUBLIC", func(t *testing.T) {
		var open []string
		require.NoError(t, owner.QueryRow(t.Context(), `
			SELECT coalesce(array_agg(what), '{}')
			FROM (
				SELECT 'database' AS what, a.grantee FROM pg_database, aclexplode(datacl) a WHERE datname = current_database()
				UNION ALL
				SELECT nspname, a.grantee FROM pg_namespace, aclexplode(nspacl) a WHERE nspname ~ '^(recflow|v[0-9]+)$'
				UNION ALL
				SELECT relname, a.grantee FROM pg_class, aclexplode(relacl) a WHERE relnamespace::regnamespace::text ~ '^(recflow|v[0-9]+)$'
				UNION ALL
				SELECT proname, a.grantee
				FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
				WHERE pronamespace = 'recflow'::regnamespace
			) granted
			WHERE grantee = 0`).Scan(&open))
		require.Empty(t, open)
	})

	t.Run("it runs functions as an owner with few privileges", func(t *testing.T) {
		var super []string
		require.NoError(t, owner.QueryRow(t.Context(), `
			SELECT coalesce(array_agg(proname), '{}')
			FROM pg_proc p
			WHERE pronamespace = 'recflow'::regnamespace AND prosecdef
			AND (proowner <> 'recflow_owner'::regrole OR proconfig IS NULL)`).Scan(&super))
		require.Empty(t, super)
	})
}

func TestRoles_let_the_auditor_read_requests(t *testing.T) {
	t.Parallel()
	b := newRoles(t)
	s := postgrestest.Open(t, postgrestest.URLAs(t, b.url, postgres.RoleAuditor))
	require.NoError(t, b.owner.Record(t.Context(), ledger.Audit{Actor: "a", Action: "a", Outcome: ledger.NotDone}))
	entries, err := s.AuditEntries(t.Context(), ledger.AuditFilter{}, 10)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	changes, err := s.LiveChanges(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, changes, 2)
	_, err = s.Backfill(t.Context(), b.failed(t).ID)
	require.NoError(t, err)
}

func connectAs(t *testing.T, url, role string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgrestest.URLAs(t, url, role))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close(t.Context()) })
	return conn
}

// codeOf returns the SQLSTATE of a statement, and rolls it back.
func codeOf(t *testing.T, conn *pgx.Conn, statement string) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context())
	_, err = tx.Exec(t.Context(), statement)
	var pg *pgconn.PgError
	if err == nil {
		return "done"
	}
	require.ErrorAs(t, err, &pg, statement)
	return pg.Code
}
