package stack

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
)

func TestUp(t *testing.T) {
	t.Parallel()
	t.Run("starts the stages in order and leaves them running", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a, b := fake(t, dir, "a", serve), fake(t, dir, "b", serve)
		s := stackOf(t, dir, []Part{a}, []Part{b})
		require.NoError(t, s.Up(t.Context(), UpOptions{}))
		first, _ := a.Find()
		second, _ := b.Find()
		require.False(t, second.Started.Before(first.Started))
		for _, st := range s.Status(t.Context()) {
			require.Equal(t, Running, st.State)
		}
		info, err := os.Stat(filepath.Join(dir, settingsFile))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds the password")
		require.NoError(t, s.Down(t.Context()))
		require.False(t, running(a) || running(b))
	})
	t.Run("stops what it started when a part fails, and shows its last output", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a := fake(t, dir, "a", serve)
		b := fake(t, dir, "b", "echo 'no room on device'; exit 3")
		err := stackOf(t, dir, []Part{a}, []Part{b}).Up(t.Context(), UpOptions{})
		var part *PartError
		require.ErrorAs(t, err, &part)
		require.Equal(t, "b", part.Part)
		require.Equal(t, []string{"no room on device"}, part.Output)
		require.ErrorContains(t, err, "exit status 3")
		require.ErrorContains(t, err, b.LogPath())
		require.False(t, running(a))
	})
	t.Run("leaves the others running with retain", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a := fake(t, dir, "a", serve)
		err := stackOf(t, dir, []Part{a}, []Part{fake(t, dir, "b", "exit 3")}).Up(t.Context(), UpOptions{Retain: true})
		require.Error(t, err)
		require.True(t, running(a))
	})
	t.Run("does not stop parts that an earlier start brought up", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a := fake(t, dir, "a", serve)
		require.NoError(t, stackOf(t, dir, []Part{a}).Up(t.Context(), UpOptions{}))
		require.Error(t, stackOf(t, dir, []Part{a}, []Part{fake(t, dir, "b", "exit 3")}).Up(t.Context(), UpOptions{}))
		require.True(t, running(a))
	})
	t.Run("leaves nothing behind when it is interrupted", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		ctx, cancel := context.WithCancel(t.Context())
		a, b := fake(t, dir, "a", serve), fake(t, dir, "b", "exec sleep 300")
		b.ready = func(context.Context) error { cancel(); return errors.New("never") }
		err := stackOf(t, dir, []Part{a}, []Part{b}).Up(ctx, UpOptions{})
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, running(a) || running(b))
	})
	t.Run("leaves running parts and restarts dead ones", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a, b := fake(t, dir, "a", serve), fake(t, dir, "b", serve)
		prepared := 0
		a.prepare = func(context.Context) error { prepared++; return nil }
		s := stackOf(t, dir, []Part{a, b})
		require.NoError(t, s.Up(t.Context(), UpOptions{}))
		before, _ := a.Find()
		dead, _ := b.Find()
		faults := harnesstest.CountFaults(t)
		require.NoError(t, syscall.Kill(dead.PID, syscall.SIGKILL))
		faults.Inject("part killed")
		harnesstest.Eventually(t, "has exited", func() bool { return b.Ended() != nil })
		require.Equal(t, Dead, s.Status(t.Context())[1].State)

		require.NoError(t, s.Up(t.Context(), UpOptions{}))
		after, _ := a.Find()
		require.Equal(t, before.PID, after.PID)
		require.True(t, running(b))
		require.Equal(t, 2, prepared, "a missing bucket is created again")
	})
	t.Run("restarts a changed part and what depends on it", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a, b := fake(t, dir, "a", serve), fake(t, dir, "b", serve)
		require.NoError(t, stackOf(t, dir, []Part{a}, []Part{b}).Up(t.Context(), UpOptions{}))
		oldA, _ := a.Find()
		oldB, _ := b.Find()
		changed := fake(t, dir, "a", serve+" # anew")
		require.NoError(t, stackOf(t, dir, []Part{changed}, []Part{b}).Up(t.Context(), UpOptions{}))
		newA, _ := changed.Find()
		newB, _ := b.Find()
		require.NotEqual(t, oldA.PID, newA.PID)
		require.NotEqual(t, oldB.PID, newB.PID)
	})
	t.Run("names the process that uses a port before it starts anything", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		dir := home(t)
		a, b := fake(t, dir, "a", serve), fake(t, dir, "b", serve, l.Addr().(*net.TCPAddr).Port)
		err = stackOf(t, dir, []Part{a}, []Part{b}).Up(t.Context(), UpOptions{})
		require.ErrorContains(t, err, "needed by b, is in use by stack.test")
		require.ErrorContains(t, err, "--port-offset")
		require.False(t, running(a))
	})
	t.Run("waits for another command on the same stack", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		a := fake(t, dir, "a", serve)
		s := stackOf(t, dir, []Part{a})
		lock, err := s.lock(t.Context())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, s.Up(ctx, UpOptions{}), context.Canceled)
		require.False(t, running(a))
		require.NoError(t, lock.Release())
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	dir := home(t)
	a := fake(t, dir, "a", serve)
	s := stackOf(t, dir, []Part{a})
	require.NoError(t, s.Up(t.Context(), UpOptions{}))
	r, _ := a.Find()
	faults := harnesstest.CountFaults(t)
	require.NoError(t, syscall.Kill(r.PID, syscall.SIGKILL))
	faults.Inject("part killed")
	require.ErrorContains(t, s.Watch(t.Context()), "a: it was running and has exited")
}
