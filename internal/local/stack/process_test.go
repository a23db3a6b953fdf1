package stack

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/localport"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	t.Run("runs in a session of its own and is found again by another command", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		require.NoError(t, shell(t, dir, "a", "echo hello; exec sleep 300").start())
		again := shell(t, dir, "a", "echo hello; exec sleep 300")
		r, ok := again.find()
		require.True(t, ok)
		require.True(t, again.current())
		require.NotEqual(t, os.Getpid(), r.PID)
		harnesstest.Eventually(t, "its output is in the log", func() bool { return len(again.lastOutput()) == 1 })
		require.NoError(t, again.stop(t.Context()))
		require.NoFileExists(t, again.recordPath())
	})
	t.Run("ends what it started too", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		child := fmt.Sprintf("sleep 3000.%d", os.Getpid()) // told from those of other runs
		p := shell(t, dir, "a", child+" & echo ready; wait")
		require.NoError(t, p.start())
		harnesstest.Eventually(t, "the child runs", func() bool { return alive(child) })
		require.NoError(t, p.stop(t.Context()))
		harnesstest.Eventually(t, "the child is gone", func() bool { return !alive(child) })
	})
	t.Run("is killed when it ignores the polite signal", func(t *testing.T) {
		t.Parallel()
		p := shell(t, home(t), "a", `trap "" TERM; echo ready; while :; do sleep 300; done`)
		p.grace = 50 * time.Millisecond
		require.NoError(t, p.start())
		harnesstest.Eventually(t, "it ignores signals", func() bool { return len(p.lastOutput()) == 1 })
		require.NoError(t, p.stop(t.Context()))
		_, ok := p.find()
		require.False(t, ok)
	})
	t.Run("never signals another process that has got its pid", func(t *testing.T) {
		t.Parallel()
		bystander := exec.Command("sleep", "300")
		require.NoError(t, bystander.Start())
		defer func() {
			require.NoError(t, bystander.Process.Kill())
			_ = bystander.Wait()
		}()
		p := shell(t, home(t), "a", serve)
		data, err := json.Marshal(record{PID: bystander.Process.Pid, Identity: "another boot/1", Started: time.Now()})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(p.recordPath(), data, 0o600))

		_, ok := p.find()
		require.False(t, ok)
		require.NoError(t, p.stop(t.Context()))
		_, err = identity(bystander.Process.Pid)
		require.NoError(t, err, "the bystander lives")
	})
	t.Run("counts as gone once it has ended, reaped or not", func(t *testing.T) {
		t.Parallel()
		child := exec.Command("true")
		require.NoError(t, child.Start())
		harnesstest.Eventually(t, "a zombie has no identity", func() bool {
			_, err := identity(child.Process.Pid)
			return err != nil
		})
		require.NoError(t, child.Wait())
	})
	t.Run("needs a restart when its command, settings or program change", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		p := shell(t, dir, "a", serve)
		p.vars = map[string]string{"PORT": "1", "HOST": "x"}
		same, other := *p, *p
		other.vars = map[string]string{"PORT": "2", "HOST": "x"}
		require.Equal(t, p.fingerprint(), same.fingerprint())
		require.NotEqual(t, p.fingerprint(), other.fingerprint())
	})
	t.Run("keeps its log short over many starts", func(t *testing.T) {
		t.Parallel()
		p := shell(t, home(t), "a", "echo new")
		require.NoError(t, os.WriteFile(p.logPath(), make([]byte, maxLogSize+1), 0o600))
		require.NoError(t, p.start())
		<-p.exited
		require.FileExists(t, p.logPath()+".1")
		require.Equal(t, []string{"new"}, p.lastOutput())
	})
}

func TestPortHolder(t *testing.T) {
	t.Parallel()
	port, err := localport.Reserve()
	require.NoError(t, err)
	p := shell(t, home(t), "a", fmt.Sprintf("exec python3 -m http.server --bind 127.0.0.1 %d", port))
	require.NoError(t, p.start())
	harnesstest.Eventually(t, "it listens", func() bool { return accepts(t.Context(), port) == nil })
	pid, command := portHolder(port)
	r, _ := p.find()
	require.Equal(t, r.PID, pid)
	require.Contains(t, command, "python")
}
