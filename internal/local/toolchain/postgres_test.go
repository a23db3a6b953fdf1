package toolchain

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPostgresBin(t *testing.T) {
	t.Parallel()
	t.Run("is the user's own directory, which needs no setup", func(t *testing.T) {
		t.Parallel()
		got, err := PostgresBin(t.TempDir(), "/usr/lib/postgresql/17/bin")
		require.NoError(t, err)
		require.Equal(t, "/usr/lib/postgresql/17/bin", got)
	})
	t.Run("is otherwise the installed one", func(t *testing.T) {
		t.Parallel()
		cache := t.TempDir()
		want := complete(t, cache).PostgresBin
		got, err := PostgresBin(cache, "")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("returns an error that names the command to run", func(t *testing.T) {
		t.Parallel()
		_, err := PostgresBin(t.TempDir(), "")
		require.ErrorContains(t, err, "make setup")
	})
}
