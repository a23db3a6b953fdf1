package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/internal/postgres/versions"
	"github.com/recflow/recflow/internal/recsys"
)

func TestMarkRefused_accepts_a_ready_version_unless_it_is_live(t *testing.T) {
	t.Parallel()
	s := postgrestest.New(t)
	v := postgrestest.Build(t, s, postgrestest.Fixture{Items: 20, Users: 20})
	refusal := []recsys.GateResult{{Gate: recsys.GateQuality, Reason: "worse than the live one"}}

	_, err := s.Promote(t.Context(), versions.Promotion{Version: v.ID, Actor: "test"})
	require.NoError(t, err)
	require.ErrorIs(t, s.MarkRefused(t.Context(), v.ID, refusal), recsys.ErrConflict)

	other := postgrestest.Build(t, s, postgrestest.Fixture{RunID: "run-2", Items: 20, Users: 20})
	require.NoError(t, s.MarkRefused(t.Context(), other.ID, refusal))
	got, err := s.Version(t.Context(), other.ID)
	require.NoError(t, err)
	require.Equal(t, recsys.Refused, got.State)
	_, err = s.Promote(t.Context(), versions.Promotion{Version: other.ID, Actor: "test"})
	require.ErrorIs(t, err, recsys.ErrGateRefused)
}
