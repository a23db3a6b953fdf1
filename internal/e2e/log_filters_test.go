package e2e_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	runbookFilter  = regexp.MustCompile(`--filter-pattern '([^']*)'`)
	filterSelector = regexp.MustCompile(`\$\.(\w+) = "([^"]*)"`)
	filterTerm     = regexp.MustCompile(`"([^"]*)"`)
	insightsQuery  = regexp.MustCompile(`query='(filter [^']*)'`)
	insightsField  = regexp.MustCompile(`\w+\((\w+)\)`)
	quotedSteps    = regexp.MustCompile("`step` is (`[^`]*`(?: or `[^`]*`)*)")
)

// fromRuntime are the texts that Go's or Lambda's runtime writes to a log.
var fromRuntime = []string{"panic", "timed out", "Task timed out", "OutOfMemory", "Runtime exited"}

// logTexts are the texts that shipped code can write to a log.
type logTexts struct {
	messages map[string]bool // of slog
	steps    map[string]bool // values of the attribute step
	strings  map[string]bool // all string literals, such as names of metrics
}

// TestDocs_log_filters_match_the_code checks each filter pattern of
// CloudWatch Logs, each Logs Insights query and each quoted step in the runbooks.
func TestDocs_log_filters_match_the_code(t *testing.T) {
	t.Parallel()
	logs := shippedLogTexts(t)
	seen := 0
	for name, text := range docPages(t) {
		for _, m := range runbookFilter.FindAllStringSubmatch(text, -1) {
			seen++
			logs.checkFilter(t, name, m[1])
		}
		for _, m := range insightsQuery.FindAllStringSubmatch(text, -1) {
			seen++
			for _, f := range insightsField.FindAllStringSubmatch(m[1], -1) {
				if f[1] != "5m" && f[1] != "1h" { // the argument of bin
					assert.True(t, logs.strings[f[1]], "%s: no code emits the field %s: %s", name, f[1], m[1])
				}
			}
		}
		for _, m := range quotedSteps.FindAllStringSubmatch(text, -1) {
			seen++
			for _, step := range inlineCode.FindAllStringSubmatch(m[1], -1) {
				assert.True(t, logs.steps[step[1]], "%s: no code logs the step %q", name, step[1])
			}
		}
	}
	require.Greater(t, seen, 10)
}

// checkFilter checks a filter pattern: selectors such as { $.msg = "x" }, or terms
// such as ?"x".
func (l logTexts) checkFilter(t *testing.T, name, pattern string) {
	t.Helper()
	if !strings.HasPrefix(pattern, "{") {
		terms := filterTerm.FindAllStringSubmatch(pattern, -1)
		assert.NotEmpty(t, terms, "%s: %s", name, pattern)
		for _, term := range terms {
			assert.True(t, l.emits(term[1]), "%s: no log message contains %q: %s", name, term[1], pattern)
		}
		return
	}
	selectors := filterSelector.FindAllStringSubmatch(pattern, -1)
	assert.Len(t, selectors, strings.Count(pattern, "$."), "%s: this test cannot parse %s", name, pattern)
	for _, s := range selectors {
		switch s[1] {
		case "msg":
			assert.True(t, l.messages[s[2]], "%s: no code logs the message of %s", name, pattern)
		case "step":
			assert.True(t, l.steps[s[2]], "%s: no code logs the step of %s", name, pattern)
		case "level":
			assert.Contains(t, []string{"DEBUG", "INFO", "WARN", "ERROR"}, s[2], "%s: %s", name, pattern)
		default:
			assert.Fail(t, "unknown attribute "+s[1], "%s: %s", name, pattern)
		}
	}
}

// emits reports whether a log message or the runtime contains the text.
func (l logTexts) emits(text string) bool {
	if slices.Contains(fromRuntime, text) {
		return true
	}
	for m := range l.messages {
		if strings.Contains(m, text) {
			return true
		}
	}
	return false
}

// shippedLogTexts reads the code of the binaries that run on AWS.
func shippedLogTexts(t *testing.T) logTexts {
	t.Helper()
	logs := logTexts{messages: map[string]bool{}, steps: map[string]bool{}, strings: map[string]bool{}}
	for _, dir := range []string{"api", "lambda", "worker", "workflows", "activities", "internal"} {
		eachFile(t, "../../"+dir, func(name string, text []byte) {
			if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/internal/e2e/") || strings.Contains(name, "/internal/local/") ||
				strings.HasSuffix(filepath.Dir(name), "test") {
				return
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
			require.NoError(t, err)
			ast.Inspect(file, logs.visit)
		})
	}
	require.Greater(t, len(logs.messages), 20)
	require.NotEmpty(t, logs.steps)
	return logs
}

func (l logTexts) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BasicLit:
		if text, ok := stringOf(n); ok {
			l.strings[text] = true
		}
	case *ast.CallExpr:
		method, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch method.Sel.Name {
		case "Debug", "Info", "Warn", "Error":
			l.add(l.messages, n.Args, 0)
		case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
			l.add(l.messages, n.Args, 1)
		case "Log", "LogAttrs":
			l.add(l.messages, n.Args, 2)
		case "report": // of the function: step, error
			l.add(l.steps, n.Args, 0)
		}
	}
	return true
}

func (logTexts) add(to map[string]bool, args []ast.Expr, i int) {
	if i >= len(args) {
		return
	}
	if text, ok := stringOf(args[i]); ok {
		to[text] = true
	}
}

func stringOf(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// eachFile calls fn for every Go file under a folder.
func eachFile(t *testing.T, root string, fn func(name string, text []byte)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fn(name, text)
		return nil
	}))
}
