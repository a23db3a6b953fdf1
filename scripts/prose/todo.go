package main

import (
	"errors"
	"os"
	"strings"
)

// todo lists files that are not rewritten yet: paths, and folders that end in a
// slash.
type todo []string

// readTodo reads a list with one entry per line. # starts a comment. A missing list
// is empty.
func readTodo(file string) (todo, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list todo
	for line := range strings.Lines(string(data)) {
		entry, _, _ := strings.Cut(line, "#")
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list, nil
}

func (t todo) has(path string) bool {
	for _, entry := range t {
		if path == entry || strings.HasSuffix(entry, "/") && strings.HasPrefix(path, entry) {
			return true
		}
	}
	return false
}
