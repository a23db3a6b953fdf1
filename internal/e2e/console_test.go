package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// typedCommand is a command of a page, with its heading.
type typedCommand struct{ section, text string }

var sectionOrBlock = regexp.MustCompile("(?sm)^## ([^\n]*)$|^```console\n(.*?)^```")

// typedCommands returns a page's commands in order: a line with $ starts one, and
// lines with > continue it.
func typedCommands(page string) (out []typedCommand) {
	section := ""
	for _, m := range sectionOrBlock.FindAllStringSubmatch(page, -1) {
		if m[1] != "" {
			section = m[1]
			continue
		}
		for line := range strings.Lines(m[2]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				out = append(out, typedCommand{section, command})
			} else if more, ok := strings.CutPrefix(line, "> "); ok && len(out) > 0 {
				out[len(out)-1].text += more
			}
		}
	}
	return out
}

// console is one interactive shell.
type console struct {
	output string // file of the current command
	in     io.WriteCloser
	status *bufio.Scanner
}

// newConsole starts a shell in a directory. It is stopped when the test ends,
// together with its children.
func newConsole(t *testing.T, dir string, env []string) *console {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc")
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cancel()
		_ = cmd.Wait()
	})
	c := &console{output: filepath.Join(t.TempDir(), "output"), in: in, status: bufio.NewScanner(out)}
	_, code := c.typed("set -o pipefail")
	require.Zero(t, code)
	return c
}

// typed runs one command and returns its output, both streams.
func (c *console) typed(command string) (output string, code int) {
	fmt.Fprintf(c.in, "{ %s\n} </dev/null >%s 2>&1; echo $?\n", strings.TrimRight(command, "\n"), quoted(c.output))
	code = -1 // the shell has exited
	if c.status.Scan() {
		code, _ = strconv.Atoi(c.status.Text())
	}
	data, err := os.ReadFile(c.output)
	if err != nil {
		return err.Error(), code
	}
	return string(data), code
}
