package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/cli"
	"github.com/recflow/recflow/internal/cli/admincli"
	"github.com/recflow/recflow/internal/cli/app"
)

var (
	consoleBlock = regexp.MustCompile("(?s)```console\n(.*?)```")
	inlineCode   = regexp.MustCompile("`([^`\n]+)`")
	pageLink     = regexp.MustCompile(`\]\(([^)#\s]+)(?:#([^)\s]+))?\)`)
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// docPages are the repository's documentation pages.
func docPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../terraform/*.md", "../../terraform/*/*/*.md"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			pages[name] = string(text)
		}
	}
	require.Greater(t, len(pages), 20)
	return pages
}

// TestDocs_name_commands_that_exist checks the commands on the pages against the
// real commands and flags. `admin` is recflow-admin inside the VPC.
func TestDocs_name_commands_that_exist(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, text := range docPages(t) {
		for _, line := range typed(text) {
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != "recflow" && words[0] != "admin" && words[0] != "bin/recflow" {
				continue
			}
			seen++
			newRoot := cli.NewRootCommand
			if words[0] == "admin" {
				newRoot = admincli.NewRootCommand
			}
			assert.NoError(t, understood(newRoot, words[1:]), "%s: %s", name, line)
		}
	}
	require.Greater(t, seen, 50)
}

// typed returns the commands of a page, without comments and redirections.
func typed(text string) []string {
	var out []string
	for _, block := range consoleBlock.FindAllStringSubmatch(text, -1) {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				out = append(out, strings.Split(command, " | ")...)
			}
		}
	}
	for _, code := range inlineCode.FindAllStringSubmatch(consoleBlock.ReplaceAllString(text, ""), -1) {
		out = append(out, code[1])
	}
	for i, command := range out {
		command, _, _ = strings.Cut(command, " #")
		command, _, _ = strings.Cut(command, " > ")
		out[i] = strings.TrimSpace(command)
	}
	return out
}

// TestDocs_contain_valid_shell_commands parses every block of commands: lines with
// $ start a command and those with > continue it; others are output.
func TestDocs_contain_valid_shell_commands(t *testing.T) {
	t.Parallel()
	for name, text := range docPages(t) {
		for _, block := range consoleBlock.FindAllStringSubmatch(text, -1) {
			var script strings.Builder
			for line := range strings.Lines(block[1]) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					script.WriteString(command)
				} else if more, ok := strings.CutPrefix(line, "> "); ok {
					script.WriteString(more)
				}
			}
			cmd := exec.Command("bash", "-n")
			cmd.Stdin = strings.NewReader(script.String())
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "%s: %s\n%s", name, out, script.String())
			assert.Empty(t, string(out), name) // a warning about an unterminated here-document
		}
	}
}

// understood looks up the command and checks its flags; it runs nothing. Of a
// choice (up | down) only the first is checked.
func understood(newRoot func(*app.App) *cobra.Command, words []string) error {
	if i := slices.Index(words, "|"); i >= 0 {
		words = words[:i]
	}
	root := newRoot(&app.App{})
	root.InitDefaultCompletionCmd(words...)
	root.InitDefaultVersionFlag()
	cmd, rest, err := root.Find(words)
	if err != nil {
		return err
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return cmd.ValidateArgs(rest)
	}
	for _, word := range rest {
		name, found := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		if found && name != "" && name != "help" && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
			return fmt.Errorf("%s has no flag --%s", cmd.CommandPath(), name)
		}
	}
	return nil
}

// TestDocs_link_to_pages_that_exist follows every link within the repository,
// including its heading.
func TestDocs_link_to_pages_that_exist(t *testing.T) {
	t.Parallel()
	for name, text := range docPages(t) {
		for _, link := range pageLink.FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			target, err := os.ReadFile(filepath.Join(filepath.Dir(name), link[1]))
			if link[2] == "" {
				_, err = os.Stat(filepath.Join(filepath.Dir(name), link[1]))
			}
			if !assert.NoError(t, err, "%s links to %s", name, link[1]) {
				continue
			}
			if link[2] != "" {
				assert.Contains(t, anchors(string(target)), link[2], "%s links to %s", name, link[0])
			}
		}
	}
}

// anchors returns the anchors of a page's headings.
func anchors(text string) []string {
	var out []string
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.TrimSpace(h[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		out = append(out, strings.ReplaceAll(name, " ", "-"))
	}
	return out
}

var alarmKey = regexp.MustCompile(`\]\(([a-z-]+)\.md\)`)

// TestDocs_list_every_runbook compares the directory with its index, and checks
// that each page has the required headings.
func TestDocs_list_every_runbook(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("../../docs/runbooks/README.md")
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, m := range alarmKey.FindAllStringSubmatch(string(index), -1) {
		listed[m[1]+".md"] = true
	}
	pages, err := os.ReadDir("../../docs/runbooks")
	require.NoError(t, err)
	for _, p := range pages {
		require.True(t, p.Name() == "README.md" || listed[p.Name()], "%s is not in the index", p.Name())
		delete(listed, p.Name())
		if p.Name() == "README.md" {
			continue
		}
		text, err := os.ReadFile("../../docs/runbooks/" + p.Name())
		require.NoError(t, err)
		for _, part := range []string{"Meaning", "Triage", "Causes", "Resolved when", "Do not"} {
			require.Contains(t, string(text), "\n## "+part+"\n", p.Name())
		}
	}
	require.Empty(t, listed, "in the index, but without a page")
}

var alarmInTerraform = regexp.MustCompile(`(?m)^    ([a-z]+-[a-z]+) = \{$|-(glue-failures)"`)

// TestDocs_have_a_runbook_for_every_alarm compares both ways: each alarm
// has a runbook, and each runbook an alarm.
func TestDocs_have_a_runbook_for_every_alarm(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../terraform/modules/observability/*.tf")
	require.NoError(t, err)
	raised := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range alarmInTerraform.FindAllStringSubmatch(string(text), -1) {
			raised[m[1]+m[2]+".md"] = true
		}
	}
	pages, err := filepath.Glob("../../docs/runbooks/*-*.md")
	require.NoError(t, err)
	var written []string
	for _, p := range pages {
		written = append(written, filepath.Base(p))
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(raised)), written)
}
