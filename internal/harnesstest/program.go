package harnesstest

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// WriteProgram writes an executable file. No other process is started while the file is
// open for writing: it would inherit the descriptor, and until it executes its own
// program, executing this one fails with ETXTBSY (https://go.dev/issue/22315).
func WriteProgram(t testing.TB, path, content string) {
	t.Helper()
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte(content), 0o700)
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
}
