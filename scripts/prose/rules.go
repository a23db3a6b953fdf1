package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// checkRules returns an error unless vale has reported every line of the list of
// violations and every row of the rules has a line there.
func checkRules(findings []finding) error {
	list, err := os.ReadFile(violations)
	if err != nil {
		return err
	}
	rows, err := readRows()
	if err != nil {
		return err
	}
	found := map[int]bool{}
	for _, f := range findings {
		if f.path == violations {
			found[f.Line] = true
		}
	}
	var errs []error
	for i, line := range strings.Split(string(list), "\n") {
		if strings.HasPrefix(line, "- ") && !found[i+1] {
			errs = append(errs, fmt.Errorf("%s:%d: no rule reports %q", violations, i+1, line))
		}
	}
	return errors.Join(append(errs, missingRows(rows, string(list))...)...)
}

// missingRows returns an error for each row that no line of list violates.
func missingRows(rows []string, list string) []error {
	var errs []error
	for _, row := range rows {
		pattern, err := regexp.Compile(`(?im)^- .*\b(?:` + row + `)\b`)
		switch {
		case err != nil:
			errs = append(errs, err)
		case !pattern.MatchString(list):
			errs = append(errs, fmt.Errorf("%s: no line violates the rule %q; add one", violations, row))
		}
	}
	return errs
}

// row is a row of a substitution rule: "  pattern: replacement".
var row = regexp.MustCompile(`(?m)^  (\S.*?): .*$`)

// readRows returns the patterns of all rules.
func readRows() ([]string, error) {
	files, err := filepath.Glob(rules)
	if err != nil {
		return nil, err
	}
	var rows []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		_, swap, _ := strings.Cut(string(data), "\nswap:\n")
		for _, match := range row.FindAllStringSubmatch(swap, -1) {
			rows = append(rows, match[1])
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no rules in %s", rules)
	}
	return rows, nil
}
