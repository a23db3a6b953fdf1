package toolchain

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// keptLines is how many lines of a command's output are shown when it fails.
const keptLines = 25

// command is one program that a setup runs.
type command struct {
	env  []string // added to the inherited environment
	args []string
	line func(string) // called with every line of output; may be nil
}

// run runs c to its end. Cancelling ctx ends the program and its children. The
// error contains the last output.
func (in *installer) run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(cmd.Environ(), c.env...)
	// A separate process group, so that a compiler or a build backend is killed
	// with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if in.lock != nil {
		// An orphan of a killed setup keeps the lock until it exits.
		cmd.ExtraFiles = []*os.File{in.lock.File()}
	}
	tail := &tail{line: c.line}
	cmd.Stdout, cmd.Stderr = tail, tail
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, indent(tail.lines))
	}
	return nil
}

// tail forwards whole lines and keeps the last ones.
type tail struct {
	line    func(string)
	lines   []string
	pending []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.pending = append(t.pending, p...)
	for {
		i := bytes.IndexByte(t.pending, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := strings.TrimRight(string(t.pending[:i]), "\r ")
		t.pending = t.pending[i+1:]
		if t.lines = append(t.lines, line); len(t.lines) > keptLines {
			t.lines = t.lines[1:]
		}
		if t.line != nil {
			t.line(line)
		}
	}
}

func indent(lines []string) string {
	return "    " + strings.Join(lines, "\n    ")
}

// output runs a short command and returns its output, both streams.
func output(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	return string(out), err
}

// field returns the value of a "name = value" line.
func field(r io.Reader, name string) string {
	s := bufio.NewScanner(r)
	for s.Scan() {
		k, v, ok := strings.Cut(s.Text(), "=")
		if ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}
