package process

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(path, []byte("one\ntw"), 0o600))
	lines, at := Lines(path, 0)
	require.Equal(t, []string{"one"}, lines, "it waits for the end of a line")
	require.NoError(t, os.WriteFile(path, []byte("one\ntwo\n"), 0o600))
	lines, at = Lines(path, at)
	require.Equal(t, []string{"two"}, lines)
	require.NoError(t, os.WriteFile(path, []byte("new\n"), 0o600))
	lines, _ = Lines(path, at)
	require.Equal(t, []string{"new"}, lines, "it starts over in a new log")
}
