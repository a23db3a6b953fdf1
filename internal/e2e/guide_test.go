package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli/clitest"
	"github.com/recflow/recflow/internal/config"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestGuide runs every command of docs/guide.md, in one shell and on its own ports,
// and checks the output that the page promises.
func TestGuide(t *testing.T) {
	t.Parallel()
	local, err := config.ReadLocal()
	require.NoError(t, err)
	bin := clitest.Programs(t)
	dir := t.TempDir()
	home := filepath.Join(dir, ".recflow")
	t.Cleanup(func() { stopStack(t, bin, local.Cache, home) })
	walk(t, bin, home, "recflow up --free-ports")
}

// walk runs every command of docs/guide.md, in one shell next to the home, with up
// as the command that starts the stack.
func walk(t *testing.T, bin, home, up string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/guide.md")
	require.NoError(t, err)
	var script strings.Builder
	script.WriteString("set -eu\n")
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		// Print each block's heading before its output, and no progress.
		script.WriteString("echo '== '" + quoted(block[1]) + "\n" + strings.ReplaceAll(block[1], "recflow up\n", up+"\n") + "\necho\n")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = filepath.Dir(home)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "RECFLOW_HOME="+home)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for what, pattern := range map[string]string{
		"nothing is live":                  `"code":"no_live_version"`,
		"a plan":                           `"run":1,"skip":0`,
		"the gates passed":                 `recall +✓`,
		"a personal list":                  `"user_id":"u7","version":1,"stage":"personalized"`,
		"nothing is known":                 `"user_id":"newcomer","version":1,"stage":"popular"`,
		"a session":                        `"stage":"session","items":\[\{"rank":1,"item_id":"bike-`,
		"the click is in the list":         `"user_id":"newcomer","version":1,"stage":"session"`,
		"compared":                         `rank-biased overlap`,
		"promoted":                         `"version":2,[^}]*"live":true|"reason":"smaller"`,
		"excludes items the user has seen": `"code":"stale"`,
		"denied operations":                `"code":"missing_scope"`,
		"refused attempts in the audit":    `version.rollback +live +refused +missing_scope|version\.rollback\s+refused\s+missing_scope`,
	} {
		require.Regexp(t, pattern, string(out), what)
	}
	started := regexp.MustCompile(`"id":"[a-z2-7]{8}","kind":"refresh"`).FindAllString(string(out), 2)
	require.Len(t, started, 2)
	require.Equal(t, started[0], started[1], "the same key starts it once")
	if testing.Verbose() {
		t.Logf("%s", out)
	}
}

// quoted returns s as one shell word.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
