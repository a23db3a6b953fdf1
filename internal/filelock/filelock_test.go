package filelock_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/filelock"
)

func TestAcquire(t *testing.T) {
	t.Parallel()
	t.Run("waits for the holder and names it", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "lock")
		first, err := filelock.Acquire(t.Context(), path, nil)
		require.NoError(t, err)
		var seen int
		second, err := filelock.Acquire(t.Context(), path, func(pid int) {
			seen = pid
			require.NoError(t, first.Release())
		})
		require.NoError(t, err)
		require.Equal(t, os.Getpid(), seen)
		require.NoError(t, second.Release())
	})
	t.Run("gives up when cancelled", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "lock")
		first, err := filelock.Acquire(t.Context(), path, nil)
		require.NoError(t, err)
		defer first.Release()
		ctx, cancel := context.WithCancel(t.Context())
		_, err = filelock.Acquire(ctx, path, func(int) { cancel() })
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("stays with a child that inherited it", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "lock")
		first, err := filelock.Acquire(t.Context(), path, nil)
		require.NoError(t, err)
		child := exec.Command("sleep", "60")
		child.ExtraFiles = []*os.File{first.File()}
		require.NoError(t, child.Start())
		require.NoError(t, first.Release())

		waited := 0
		second, err := filelock.Acquire(t.Context(), path, func(int) {
			if waited++; waited == 2 {
				require.NoError(t, child.Process.Kill())
				_ = child.Wait()
			}
		})
		require.NoError(t, err)
		require.GreaterOrEqual(t, waited, 2)
		require.NoError(t, second.Release())
	})
}
