package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/localport"
)

// home creates the directories of logs and records.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"logs", "run"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	return dir
}

// shell is a process that runs a shell script. It is stopped after the test.
func shell(t *testing.T, home, name, script string) *Process {
	t.Helper()
	p := &Process{Name: name, Home: home, Args: []string{"/bin/sh", "-c", script}, Grace: 2 * time.Second}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

const serve = "echo ready; exec sleep 300"

// alive reports whether any process has the text in its command line.
func alive(text string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && strings.Contains(string(bytes.ReplaceAll(data, []byte{0}, []byte{' '})), text) {
			return true
		}
	}
	return false
}

func accepts(port int) bool {
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestProcess(t *testing.T) {
	t.Parallel()
	t.Run("runs in a session of its own and is found again by another command", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		require.NoError(t, shell(t, dir, "a", "echo hello; exec sleep 300").Start())
		again := shell(t, dir, "a", "echo hello; exec sleep 300")
		r, ok := again.Find()
		require.True(t, ok)
		require.True(t, again.Current())
		require.NotEqual(t, os.Getpid(), r.PID)
		harnesstest.Eventually(t, "its output is in the log", func() bool { return len(again.LastOutput()) == 1 })
		require.NoError(t, again.Stop(t.Context()))
		require.NoFileExists(t, again.recordPath())
	})
	t.Run("ends its child processes too", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		child := fmt.Sprintf("sleep 3000.%d", os.Getpid()) // distinct from those of other runs
		p := shell(t, dir, "a", child+" & echo ready; wait")
		require.NoError(t, p.Start())
		harnesstest.Eventually(t, "the child runs", func() bool { return alive(child) })
		require.NoError(t, p.Stop(t.Context()))
		harnesstest.Eventually(t, "the child is gone", func() bool { return !alive(child) })
	})
	t.Run("is killed when it ignores SIGTERM", func(t *testing.T) {
		t.Parallel()
		p := shell(t, home(t), "a", `trap "" TERM; echo ready; while :; do sleep 300; done`)
		p.Grace = 50 * time.Millisecond
		require.NoError(t, p.Start())
		harnesstest.Eventually(t, "it ignores signals", func() bool { return len(p.LastOutput()) == 1 })
		require.NoError(t, p.Stop(t.Context()))
		_, ok := p.Find()
		require.False(t, ok)
	})
	t.Run("never signals another process with the same PID", func(t *testing.T) {
		t.Parallel()
		bystander := exec.Command("sleep", "300")
		require.NoError(t, bystander.Start())
		defer func() {
			require.NoError(t, bystander.Process.Kill())
			_ = bystander.Wait()
		}()
		p := shell(t, home(t), "a", serve)
		data, err := json.Marshal(Record{PID: bystander.Process.Pid, Identity: "another boot/1", Started: time.Now()})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(p.recordPath(), data, 0o600))

		_, ok := p.Find()
		require.False(t, ok)
		require.NoError(t, p.Stop(t.Context()))
		_, err = identity(bystander.Process.Pid)
		require.NoError(t, err, "the bystander lives")
	})
	t.Run("is reported as ended, reaped or not", func(t *testing.T) {
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
		p.Vars = map[string]string{"PORT": "1", "HOST": "x"}
		same, other := *p, *p
		other.Vars = map[string]string{"PORT": "2", "HOST": "x"}
		require.Equal(t, p.fingerprint(), same.fingerprint())
		require.NotEqual(t, p.fingerprint(), other.fingerprint())
	})
	t.Run("keeps its log short over many starts", func(t *testing.T) {
		t.Parallel()
		p := shell(t, home(t), "a", "echo new")
		require.NoError(t, os.WriteFile(p.LogPath(), make([]byte, maxLogSize+1), 0o600))
		require.NoError(t, p.Start())
		<-p.exited
		require.FileExists(t, p.LogPath()+".1")
		require.Equal(t, []string{"new"}, p.LastOutput())
	})
}

func TestPortHolder(t *testing.T) {
	t.Parallel()
	port, err := localport.Reserve()
	require.NoError(t, err)
	p := shell(t, home(t), "a", fmt.Sprintf("exec python3 -m http.server --bind 127.0.0.1 %d", port))
	require.NoError(t, p.Start())
	harnesstest.Eventually(t, "it listens", func() bool { return accepts(port) })
	pid, command := PortHolder(port)
	r, _ := p.Find()
	require.Equal(t, r.PID, pid)
	require.Contains(t, command, "python")
}
