package postgres

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAcceptExtension_rejects_known_memory_errors(t *testing.T) {
	t.Parallel()
	for version, accepted := range map[string]bool{
		"0.7.4": false, "0.8.0": false, "0.8.1": false, "0.8.2": true, "0.8.3": true, "0.8.5": true, "0.10.0": true, "1.0": true, "new": false,
	} {
		var out bytes.Buffer
		err := acceptExtension(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), version)
		require.Equal(t, accepted, err == nil, "%s: %v", version, err)
		require.Equal(t, version == "0.8.2" || version == "0.8.3", strings.Contains(out.String(), "pgvector is outdated"), version)
	}
}

func TestErrors_do_not_contain_the_password(t *testing.T) {
	t.Parallel()
	_, err := Open(t.Context(), Options{URL: "postgres://user:secret@host:not-a-port/db"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, Migrate(t.Context(), "postgres://user:secret@host:not-a-port/db").Error(), "secret")
}
