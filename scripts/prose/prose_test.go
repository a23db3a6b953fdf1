package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGoStrings(t *testing.T) {
	t.Parallel()
	source := "package a // a comment\n\n" +
		"import \"a/path\"\n" +
		"type t struct {\n\tA string `json:\"a\" env:\"A B\"`\n}\n" +
		"var (\n\tkey = \"said\"\n\tmessage = \"two words\" + \"and more\"\n" +
		"\tquery = `select 1 -- first\n\t-- second`\n)\n"
	assert.Equal(t, "\n\n\n\n\n\n\n\ntwo words and more \nselect 1 -- first \n\t-- second \n\n\n", string(goStrings([]byte(source))))
}

func TestFormatOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]format{
		"docs/guide.md":                   parsed,
		"docs/glossary.md":                skip,
		"lambda/main.go":                  golang,
		"internal/postgres/001.up.sql":    text,
		"terraform/variables.tf":          text,
		"api/openapi.json":                text,
		"api/testdata/released.json":      skip,
		"scripts/go-tool":                 text,
		"scripts/prose/main.go":           skip,
		".vale/testdata/violations.md":    skip,
		"terraform/tests/packages/a.zip":  skip,
		"internal/e2e/testdata/up.txtar":  text,
		"internal/cli/testdata/up.golden": text,
	} {
		assert.Equal(t, want, formatOf(path), path)
	}
}

func TestMissingRows(t *testing.T) {
	t.Parallel()
	errs := missingRows([]string{"flip(?:s)?", "doors?", "("}, "# Heading\n\n- It flips.\n")
	require.Len(t, errs, 2)
	assert.ErrorContains(t, errs[0], `no line violates the rule "doors?"; add one`)
	assert.ErrorContains(t, errs[1], "error parsing regexp")
}

func TestCheckRules(t *testing.T) {
	t.Chdir("../..")
	list, err := os.ReadFile(violations)
	require.NoError(t, err)
	var findings []finding
	lines := 0
	for i, c := range list {
		if c == '\n' {
			lines++
		}
		if c == '-' && (i == 0 || list[i-1] == '\n') {
			findings = append(findings, finding{path: violations, Line: lines + 1})
		}
	}
	rows, err := readRows()
	require.NoError(t, err)
	assert.Len(t, findings, len(rows), "one line for each row")
	require.NoError(t, checkRules(findings), "every row has a line")
	require.ErrorContains(t, checkRules(findings[1:]), "no rule reports", "a line that vale does not report")
}

func TestLongIn(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é ", 60) + "x"
	assert.Equal(t, []int{1, 3}, longIn(long+"\n"+long[:len(long)-1]+"\n- "+long+"\n| "+long+"\n# "+long+"\n```\n"+long+"\n```\n    "+long+"\n`"+long+"`;"))
}
