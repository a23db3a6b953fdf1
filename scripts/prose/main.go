// Command prose checks the repository's texts with vale and the rules in .vale/:
// Markdown, Go comments and Go string literals, and whole files of SQL, Terraform,
// Python, shell, YAML, test scripts and the OpenAPI document. `make prose` runs it.
//
//	go run ./scripts/prose vale
//
// Paragraphs of Markdown wrap at 120 characters.
//
// The arguments are the command that runs vale. Every line of
// .vale/testdata/violations.md must be found, so that a rule that no longer matches
// is noticed.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const (
	violations = ".vale/testdata/violations.md"
	rules      = ".vale/styles/recflow/*.yml"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: prose VALE [ARG…]")
		os.Exit(2)
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(vale []string) error {
	files, err := tracked()
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "prose-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	inputs, err := prepare(files, temp)
	if err != nil {
		return err
	}
	findings, err := check(vale, append(inputs, violations), temp)
	if err != nil {
		return err
	}
	long, err := longLines(files)
	if err != nil {
		return err
	}
	return errors.Join(checkRules(findings), report(append(findings, long...)))
}

// tracked returns the files of the checkout, also uncommitted ones.
func tracked() ([]string, error) {
	out, err := exec.Command("git", "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	return strings.Fields(string(out)), nil
}

// prepare returns the arguments of vale: files that it can parse itself, and texts
// written to dir, at the file's path with .txt appended and with the same lines.
func prepare(files []string, dir string) ([]string, error) {
	var inputs []string
	for _, path := range files {
		how := formatOf(path)
		if how == skip {
			continue
		}
		source, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted and not yet committed
		}
		if err != nil {
			return nil, err
		}
		if how == parsed || how == golang {
			inputs = append(inputs, path)
		}
		if how == golang {
			source = goStrings(source)
		}
		if how == golang || how == text {
			copied := filepath.Join(dir, path+".txt")
			if err := os.MkdirAll(filepath.Dir(copied), 0o700); err != nil {
				return nil, err
			}
			if err := os.WriteFile(copied, source, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return append(inputs, dir), nil
}

// finding is a violation of a rule.
type finding struct {
	path    string
	Line    int
	Message string
	Check   string
}

// check runs vale and returns what it finds, in order.
func check(vale, inputs []string, dir string) ([]finding, error) {
	args := append(slices.Clone(vale[1:]), "--config=.vale.ini", "--no-global", "--output=JSON", "--no-exit")
	cmd := exec.Command(vale[0], append(args, inputs...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run vale: %w: %s", err, out.String())
	}
	byPath := map[string][]finding{}
	if err := json.Unmarshal(out.Bytes(), &byPath); err != nil {
		return nil, fmt.Errorf("read the output of vale: %w", err)
	}
	var all []finding
	for path, findings := range byPath {
		for _, f := range findings {
			f.path = path
			if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
				f.path = strings.TrimSuffix(rest, ".txt")
			}
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.path, b.path), cmp.Compare(a.Line, b.Line), strings.Compare(a.Check, b.Check), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(all), nil
}

// report prints the findings, except those of the violations, and returns an error
// if there are any.
func report(findings []finding) error {
	reported := 0
	for _, f := range findings {
		if f.path != violations {
			reported++
			fmt.Printf("%s:%d: %s (%s)\n", f.path, f.Line, f.Message, f.Check)
		}
	}
	if reported > 0 {
		return fmt.Errorf("%d violations of the rules in .vale/; see docs/glossary.md", reported)
	}
	return nil
}
