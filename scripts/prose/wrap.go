package main

import (
	"os"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// maxColumns is the length at which paragraphs in Markdown wrap.
const maxColumns = 120

// unwrapped are lines of Markdown that cannot wrap: tables, headings, HTML, link
// definitions, indented code, and lines that are one code span.
var unwrapped = regexp.MustCompile("^(\\||#|<|\\[[^]]+\\]:|    |\t|\\s*`[^`]*`\\S*$)")

// longLines returns the lines of Markdown files that should wrap.
func longLines(files []string) ([]finding, error) {
	var found []finding
	for _, file := range files {
		if path.Ext(file) != ".md" || formatOf(file) == skip {
			continue
		}
		source, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // deleted and not yet committed
		}
		if err != nil {
			return nil, err
		}
		for _, line := range longIn(string(source)) {
			found = append(found, finding{path: file, Line: line, Check: "wrap", Message: "Wrap this line at 120 characters."})
		}
	}
	return found, nil
}

// longIn returns the numbers of the lines that should wrap, from 1.
func longIn(source string) (lines []int) {
	code := false
	for i, line := range strings.Split(source, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if !code && utf8.RuneCountInString(line) > maxColumns && !unwrapped.MatchString(line) {
			lines = append(lines, i+1)
		}
	}
	return lines
}
