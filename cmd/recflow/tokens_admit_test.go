package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/vectorstore"
)

func TestTokensAdmit_lets_in_what_was_minted_elsewhere(t *testing.T) {
	store := newSystem(t)
	file := filepath.Join(t.TempDir(), "admin.token")
	minted := recflow(t.Context(), "", "tokens", "mint", file)
	require.Equal(t, 0, minted.code, minted.err)
	fingerprint := strings.TrimSpace(minted.out)

	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	key, digest, ok := apiclient.SplitToken(strings.TrimSpace(string(text)))
	require.True(t, ok)
	require.NotContains(t, fingerprint, strings.TrimPrefix(strings.TrimSpace(string(text)), "rf_"+key), "the secret stays in the file")
	again := recflow(t.Context(), "", "tokens", "mint", file)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.err, "never written over")

	for _, said := range []string{"first-admin is let in: [admin read]", "was let in before"} {
		r := recflow(t.Context(), "", "tokens", "admit", "first-admin", "--scope", "read,admin", "--fingerprint", fingerprint)
		require.Equal(t, 0, r.code, r.err)
		require.Contains(t, r.out, said)
	}
	kept, sum, err := store.TokenByKey(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, digest[:], sum, "the API knows it by the secret in the file")
	require.Equal(t, []string{"admin", "read"}, kept.Scopes)
	entries, err := store.AuditEntries(t.Context(), vectorstore.AuditFilter{Action: "token.admit"}, 10)
	require.NoError(t, err)
	require.Len(t, entries, 1, "once, whatever is repeated")
	require.Equal(t, "first-admin", entries[0].Target)

	for _, wrong := range [][]string{{"--scope", "admin", "--fingerprint", string(text)}, {"--scope", "everything", "--fingerprint", fingerprint}} {
		r := recflow(t.Context(), "", append([]string{"tokens", "admit", "x"}, wrong...)...)
		require.Equal(t, exitUsage, r.code, r.err)
	}
	r := recflow(t.Context(), "", "tokens", "admit", "another-name", "--scope", "read", "--fingerprint", fingerprint)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "mint another one")
}
