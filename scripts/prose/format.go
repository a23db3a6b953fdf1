package main

import (
	"path"
	"strings"
)

// format is how a file is checked.
type format int

const (
	skip   format = iota
	parsed        // vale parses it: Markdown
	golang        // vale parses its comments, and goStrings extracts its literals
	text          // every line counts
)

// exempt are files that quote the words that the rules forbid.
var exempt = []string{".vale/", ".vale.ini", "docs/glossary.md", "scripts/prose/"}

// formatOf returns how the file at path is checked.
func formatOf(file string) format {
	for _, prefix := range exempt {
		if strings.HasPrefix(file, prefix) {
			return skip
		}
	}
	switch path.Ext(file) {
	case ".md":
		return parsed
	case ".go":
		return golang
	case ".sql", ".py", ".tf", ".hcl", ".tftpl", ".sh", ".yml", ".yaml", ".mk", ".txtar", ".golden":
		return text
	case "":
		if path.Base(file) == "Makefile" || strings.HasPrefix(file, "scripts/") || strings.HasPrefix(file, ".ci/") {
			return text
		}
	}
	if file == "api/openapi.json" {
		return text
	}
	return skip
}
