package main

import (
	"bytes"
	"go/scanner"
	"go/token"
	"strconv"
	"strings"
)

// goStrings returns the string literals of a Go file, each on the line on which it
// starts: error strings, log messages, help texts and SQL. Literals of one word,
// such as keys and import paths, and struct tags are omitted.
func goStrings(source []byte) []byte {
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, func(token.Position, string) {}, 0)
	lines := make([]strings.Builder, bytes.Count(source, []byte("\n"))+1)
	for {
		pos, kind, literal := s.Scan()
		if kind == token.EOF {
			break
		}
		if kind != token.STRING {
			continue
		}
		value, err := strconv.Unquote(literal)
		if err != nil || !strings.ContainsAny(value, " \n") || isTag(literal) {
			continue
		}
		parts := []string{value}
		if literal[0] == '`' { // one line of the literal is one line of the file
			parts = strings.Split(value, "\n")
		}
		for i, part := range parts {
			line := &lines[file.Line(pos)-1+i]
			line.WriteString(strings.ReplaceAll(part, "\n", " "))
			line.WriteString(" ")
		}
	}
	var out bytes.Buffer
	for i := range lines {
		out.WriteString(lines[i].String())
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// isTag reports whether a literal looks like a struct tag.
func isTag(literal string) bool {
	name, rest, ok := strings.Cut(strings.TrimPrefix(literal, "`"), ":")
	return ok && literal[0] == '`' && strings.HasPrefix(rest, `"`) && !strings.ContainsAny(name, " \n\"")
}
