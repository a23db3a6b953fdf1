package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/e2e/terraform"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
)

// deployGuide types docs/deploy.md into one shell, in a clean clone. Every command
// of the page is run; placeholders are filled in (edited), and where the page says
// to wait, the command is repeated (promises).
type deployGuide struct {
	account  *account
	clone    string
	console  *console
	vars     []string // of the shell, in addition to the machine's
	commands []typedCommand
	next     int
	key      string // ARN of the secret with Temporal's key
}

// newDeployGuide opens the page. It skips the test on a machine without the
// programs that the page needs.
func newDeployGuide(t *testing.T) *deployGuide {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the certificates of the emulators are trusted through SSL_CERT_FILE, which works on Linux only")
	}
	for _, name := range []string{"bash", "git", "make", "curl", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not on PATH, which the deployment guide needs", name)
		}
	}
	page, err := os.ReadFile("../../docs/deploy.md")
	require.NoError(t, err)
	g := &deployGuide{clone: cleanClone(t), commands: typedCommands(string(page))}
	require.Greater(t, len(g.commands), 40)
	require.NoError(t, os.CopyFS(filepath.Join(g.clone, "terraform"), os.DirFS("../../terraform/tests/emulator/overlay")))

	tools := toolchaintest.Tools(t)
	local, err := config.ReadLocal()
	require.NoError(t, err)
	g.account = newAccount(t)
	bin := t.TempDir()
	installAWS(t, bin, tools.Python, local.Cache)
	// The command line of Temporal Cloud, whose namespace exists later: see startServices.
	harnesstest.WriteProgram(t, filepath.Join(bin, "tcld"), "#!/bin/sh\nprintf '%s\\n' \"$@\" > "+quoted(filepath.Join(g.account.dir, "tcld"))+"\n")
	vars := awstest.CredentialEnv(awstest.Root)
	maps.Copy(vars, g.account.network())
	maps.Copy(vars, map[string]string{
		"PATH":          bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"RECFLOW_CACHE": local.Cache,
		"ARCH":          runtime.GOARCH, // for make package: another architecture doubles the time
		// Terraform asks for confirmation before it applies.
		"TF_CLI_ARGS_apply":   "-auto-approve -input=false -no-color -parallelism=20",
		"TF_CLI_ARGS_destroy": "-auto-approve -input=false -no-color -parallelism=20",
		"TF_VAR_architecture": map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH],
	})
	for name, value := range vars {
		g.vars = append(g.vars, name+"="+value)
	}
	g.console = newConsole(t, g.clone, terraform.New(t, g.example(), g.vars...).Env())
	return g
}

// example is the directory that is applied.
func (g *deployGuide) example() string {
	return filepath.Join(g.clone, "terraform", "examples", "complete")
}

// cleanClone clones this repository and adds uncommitted changes.
func cleanClone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "recflow")
	script := `set -eu
		git clone --quiet --no-hardlinks "$(git rev-parse --show-toplevel)" "$1"
		cd "$(git rev-parse --show-toplevel)"
		{ git diff -z --name-only --no-renames HEAD; git ls-files -z --others --exclude-standard; } | while IFS= read -r -d '' f; do
			if [ -e "$f" ]; then mkdir -p "$1/$(dirname "$f")"; cp -p "$f" "$1/$f"; else rm -f "$1/$f"; fi
		done`
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script, "clone", dir).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

var awscliVersion = regexp.MustCompile(`(?m)^AWSCLI_VERSION := (\S+)$`)

// installAWS installs the AWS CLI into a directory. It is version 1, which is
// available as a Python package: for the page's commands it differs from version 2
// only in the name of the region variable.
func installAWS(t *testing.T, dir, python, cache string) {
	t.Helper()
	versions, err := os.ReadFile("../../tools.mk")
	require.NoError(t, err)
	version := awscliVersion.FindStringSubmatch(string(versions))
	require.NotNil(t, version)
	tool, err := filepath.Abs("../../scripts/python-tool")
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\nAWS_DEFAULT_REGION=$AWS_REGION RECFLOW_CACHE=%s exec %s %s awscli %s awscli \"$@\"\n",
		quoted(cache), quoted(tool), quoted(python), version[1])
	harnesstest.WriteProgram(t, filepath.Join(dir, "aws"), script)
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "aws"), "--version").CombinedOutput()
	require.NoError(t, err, string(out))
}

// until types everything before the next command that starts with prefix.
func (g *deployGuide) until(t *testing.T, prefix string) {
	t.Helper()
	for ; g.next < len(g.commands) && !strings.HasPrefix(g.commands[g.next].text, prefix); g.next++ {
		g.do(t, g.commands[g.next])
	}
	require.Less(t, g.next, len(g.commands), "no command of the page starts with %s", prefix)
}

// through types everything to the end of a section.
func (g *deployGuide) through(t *testing.T, section string) {
	t.Helper()
	began := g.next
	for inside := false; g.next < len(g.commands) && (!inside || g.commands[g.next].section == section); g.next++ {
		inside = g.commands[g.next].section == section
		g.do(t, g.commands[g.next])
	}
	require.Equal(t, section, g.commands[g.next-1].section)
	require.Greater(t, g.next, began)
}

// do types one command and checks what the page promises about it.
func (g *deployGuide) do(t *testing.T, c typedCommand) {
	t.Helper()
	for _, a := range g.arrangements() {
		if strings.HasPrefix(c.text, a.before) && (a.section == "" || a.section == c.section) {
			a.do(t)
		}
	}
	command := g.edited(c.text)
	began := time.Now()
	promise := promised(c)
	ctx, cancel := context.WithTimeout(t.Context(), promise.wait) // no retries: it is typed once
	defer cancel()
	var output string
	var code int
	_ = harnesstest.Poll(ctx, time.Second, func() bool { // the last output is checked below
		output, code = g.console.typed(command)
		return promise.kept(output)
	})
	if testing.Verbose() {
		t.Logf("%s (%s)\n$ %s%s", c.section, time.Since(began).Round(10*time.Millisecond), command, lastLines(output, 12))
	}
	if code != 0 || !promise.kept(output) {
		t.Fatalf("%s: $ %sexited with %d, and must print %v; it printed\n%s%s", c.section, command, code, promise.want, output, g.account.logs())
	}
	if strings.HasPrefix(c.text, "aws secretsmanager create-secret") {
		g.key = strings.TrimSpace(output)
	}
}

// edited fills in the placeholders of a command.
func (g *deployGuide) edited(command string) string {
	if !strings.HasPrefix(command, "cat > terraform.tfvars") {
		return command
	}
	for old, with := range map[string]string{
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:recflow/temporal-api-key-AbCdEf": g.key,
		"arn:aws:acm:us-east-1:123456789012:certificate/…":                                     "arn:aws:acm:us-east-1:" + awstest.Account + ":certificate/1",
	} {
		command = strings.ReplaceAll(command, old, with)
	}
	return command
}

// arrangement is what a reader, or AWS, has done before a command.
type arrangement struct {
	section, before string
	do              func(*testing.T)
}

func (g *deployGuide) arrangements() []arrangement {
	return []arrangement{
		{"", "aws secretsmanager create-secret", func(t *testing.T) {
			require.NoError(t, os.WriteFile(filepath.Join(g.clone, "temporal.key"), []byte(temporalKey+"\n"), 0o600)) // as editors write it
		}},
		{"Apply, in this order", "export RECFLOW_REGISTRY_PASSWORD", g.account.makeDatabase},
		{"Apply, in this order", "terraform apply\n", func(t *testing.T) {
			out, code := g.console.typed("terraform output -raw migrate_task | sh") // which the page mentions
			require.Zero(t, code, out)
			g.account.startServices(t, g.deployment(t))
		}},
		{"The first event", "curl -sS -X POST", func(t *testing.T) { // as the outputs print it
			out, code := g.console.typed("terraform output -raw next_steps | sed -n 's/^4. Send a first event: *//p' | sh")
			require.Zero(t, code, out)
			require.Contains(t, out, `"status":"accepted"`)
		}},
		{"The first backfill", "recflow import", func(t *testing.T) {
			require.NoError(t, os.WriteFile(filepath.Join(g.example(), "events.csv"), shop(), 0o600))
		}},
		// "In the checkout of the new release".
		{"Upgrade", "export RECFLOW_REGISTRY_PASSWORD", g.toTheRoot},
		{"Upgrade", "make package", g.toTheRoot},
		{"Destroy", "terraform destroy", func(*testing.T) { g.account.stop() }},
	}
}

func (g *deployGuide) toTheRoot(t *testing.T) {
	_, code := g.console.typed("cd " + quoted(g.clone))
	require.Zero(t, code)
}

// shop writes a table of purchases of two kinds of customers.
func shop() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("user_id,item_id,event_type,timestamp\n")
	for user := range 200 {
		for n := range 20 {
			fmt.Fprintf(&b, "u%d,thing-%d,purchase,2026-01-%02dT12:00:00Z\n", user, user%2*40+random.IntN(40), n+1)
		}
	}
	return []byte(b.String())
}

// promise is the output that a command must print, and how long it may be retried
// until it does.
type promise struct {
	want *regexp.Regexp // nil: anything
	wait time.Duration
}

func (p promise) kept(output string) bool { return p.want == nil || p.want.MatchString(output) }

// promises are in the order of the page; the first with a matching command and
// section applies.
var promises = []struct {
	section, command, want string
	wait                   time.Duration
}{
	{"", "make package", `(?s)recflow-lambda.*recflow-glue.*wheels/numba-`, 0},
	{"", "terraform init", `Successfully configured the backend "s3"`, 0},
	{"", "terraform apply", `Apply complete!`, 0},
	{"", "terraform destroy", `Destroy complete!`, 0},
	{"", "make -C ../../.. images", `(?s)pushed .*/worker@sha256:.*/api@sha256:.*/admin@sha256:.* \(tag v1\)`, 0},
	{"", "make images", `(?s)pushed .*/worker@sha256:.*/api@sha256:.*/admin@sha256:.* \(tag v2\)`, 0},
	{"", "admin database migrate", `(?s)schema +\d+ of \d+.*recflow_loader +authenticates with tokens`, 0},
	{"", "terraform output -json | recflow doctor", `(?s)✓ alarms .*✓ rule glue-failures .*✓ database .*✓ Temporal `, 0},
	{"", "terraform output -raw next_steps", `(?s)Send a first event.*recflow backfill start`, 0},
	{"", "admin tokens admit", `first-admin`, 0},
	{"", "recflow tokens list", `first-admin`, 0},
	{"", "recflow tokens create shop", `rf_`, 0},
	{"The first event", "curl -sS -X POST", `"event_id":"first",.*"status":"accepted"`, 0},
	{"The first event", `curl -sS "$RECFLOW_API_URL/events/first"`, `(?s)"ignored".*"no_live_version"`, time.Minute},
	{"", "recflow import", `4,000 events and 0 items`, 0},
	{"", "recflow backfill start", `version 1 is live`, 0},
	{"The first backfill", "curl -sS", `"version":1,"stage":"(session|personalized)".*"thing-`, time.Minute},
	{"", "recflow schedule set", `0 3 \* \* \*`, 0},
	{"", "aws ecs register-task-definition", `:task-definition/recflow-migrate:\d+`, 0},
}

func promised(c typedCommand) promise {
	for _, p := range promises {
		if strings.HasPrefix(c.text, p.command) && (p.section == "" || p.section == c.section) {
			return promise{regexp.MustCompile(p.want), p.wait}
		}
	}
	return promise{}
}

// keepsSecrets searches the output of tasks and emulators, and Terraform's state,
// for the secrets of the guide's reader and of the account.
func (g *deployGuide) keepsSecrets(t *testing.T) {
	token, err := os.ReadFile(filepath.Join(g.example(), "admin.token"))
	require.NoError(t, err)
	texts := map[string]string{"the state": g.deployment(t).show}
	for _, pattern := range []string{"tasks/*.log", ".recflow/logs/*.log"} {
		names, err := filepath.Glob(filepath.Join(g.account.dir, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, names, pattern)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			texts[name] = string(data)
		}
	}
	for where, text := range texts {
		for what, secret := range map[string]string{
			"Temporal's key": temporalKey, "the owner's password": g.account.password, "the first token": strings.TrimSpace(string(token)),
		} {
			require.NotEmpty(t, secret, what)
			require.False(t, strings.Contains(text, secret), "%s is in %s", what, where)
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > n {
		lines = append([]string{"…"}, lines[len(lines)-n:]...)
	}
	return strings.Join(lines, "\n") + "\n"
}
