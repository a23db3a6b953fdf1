package admin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/postgres/ledger"
)

func TestTokensAdmit_registers_a_minted_token(t *testing.T) {
	store := clitest.NewSystem(t)
	file := filepath.Join(t.TempDir(), "admin.token")
	minted := clitest.Run(t.Context(), "", "tokens", "mint", file)
	require.Equal(t, 0, minted.Code, minted.Err)
	fingerprint := strings.TrimSpace(minted.Out)

	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	key, digest, ok := apiclient.SplitToken(strings.TrimSpace(string(text)))
	require.True(t, ok)
	require.NotContains(t, fingerprint, strings.TrimPrefix(strings.TrimSpace(string(text)), "rf_"+key), "the secret stays in the file")
	again := clitest.Run(t.Context(), "", "tokens", "mint", file)
	require.Equal(t, 1, again.Code)
	require.Contains(t, again.Err, "a token never overwrites a file")

	for _, want := range []string{"first-admin registered: [admin read]", "is already registered"} {
		r := clitest.Run(t.Context(), "", "tokens", "admit", "first-admin", "--scope", "read,admin", "--fingerprint", fingerprint)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Out, want)
	}
	kept, sum, err := store.TokenByKey(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, digest[:], sum, "the API accepts the secret in the file")
	require.Equal(t, []string{"admin", "read"}, kept.Scopes)
	entries, err := store.AuditEntries(t.Context(), ledger.AuditFilter{Action: "token.admit"}, 10)
	require.NoError(t, err)
	require.Len(t, entries, 1, "once, whatever is repeated")
	require.Equal(t, "first-admin", entries[0].Target)

	for _, wrong := range [][]string{{"--scope", "admin", "--fingerprint", string(text)}, {"--scope", "everything", "--fingerprint", fingerprint}} {
		r := clitest.Run(t.Context(), "", append([]string{"tokens", "admit", "x"}, wrong...)...)
		require.Equal(t, app.ExitUsage, r.Code, r.Err)
	}
	r := clitest.Run(t.Context(), "", "tokens", "admit", "another-name", "--scope", "read", "--fingerprint", fingerprint)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "mint another one")
}
