package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

func TestDropAudit_deletes_only_old_entries(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	conn := postgrestest.Conn(t, s)
	for _, age := range []string{"0 days", "399 days", "401 days"} {
		_, err := conn.Exec(t.Context(), "INSERT INTO recflow.audit (actor, action, target, outcome, at) VALUES ('a', 'x', $1, 'done', now() - $1::text::interval)", age)
		require.NoError(t, err)
	}
	require.NoError(t, s.DropAudit(t.Context()))
	entries, err := s.AuditEntries(t.Context(), ledger.AuditFilter{}, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, "399 days", entries[0].Target)
	_, err = conn.Exec(t.Context(), "DELETE FROM recflow.audit")
	require.ErrorContains(t, err, "append-only for 400 days", "not even by the owner")
}
