package stack

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/process"
	"github.com/recflow/recflow/internal/progress"
)

// home creates the directories of a stack that has no parts yet.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, folders(dir))
	return dir
}

// shell is a process that runs a shell script. It is stopped after the test.
func shell(t *testing.T, home, name, script string) *process.Process {
	t.Helper()
	p := &process.Process{Name: name, Home: home, Args: []string{"/bin/sh", "-c", script}, Grace: 2 * time.Second}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p
}

// fake is a part that runs a script; it is ready once its log contains "ready".
func fake(t *testing.T, home, name, script string, ports ...int) *program {
	t.Helper()
	p := &program{Process: *shell(t, home, name, script), ports: ports, address: "nowhere"}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	p.ready = func(context.Context) error {
		for _, line := range p.LastOutput() {
			if line == "ready" {
				return nil
			}
		}
		return notReady("still quiet")
	}
	return p
}

const serve = "echo ready; exec sleep 300"

// stackOf runs the given stages in their own home.
func stackOf(t *testing.T, home string, stages ...[]Part) *Stack {
	t.Helper()
	return &Stack{home: home, settings: NewSettings(DefaultPorts(0)), stages: stages, progress: progress.Discard()}
}

func running(p Part) bool {
	_, ok := p.Proc().Find()
	return ok
}
