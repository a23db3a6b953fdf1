// Package recipes describes how the files of known sources are read: which column
// fills which field, what their event types are called here, and which files and
// rows are about something else. A recipe is a YAML file; some are built in.
package recipes

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/recsys"
)

// Recipe describes the files of a source.
type Recipe struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`

	// Files are tried in order; the first whose pattern matches the name of a file
	// applies. A file that matches none is ignored.
	Files []File `yaml:"files"`

	// Interest is the one to train with; nil: the default.
	Interest *recsys.InterestSettings `yaml:"interest"`
}

// File describes the files whose names match a pattern.
type File struct {
	Match  string `yaml:"match"`  // pattern of path.Match, without case and without .gz, .zst or .bz2
	Ignore string `yaml:"ignore"` // why the files are not read; empty: they are
	Kind   string `yaml:"kind"`   // events or items

	// Columns has the column of each field, or several columns, the first of which
	// with a value is used. A file may lack them. "none" means no column.
	Columns map[string]Names `yaml:"columns"`

	EventType string            `yaml:"event_type"` // of rows without one
	Types     map[string]string `yaml:"types"`      // names of event types here, by those of the source
	Only      bool              `yaml:"only"`       // skip rows of other types, and rows without an item
	Encoding  string            `yaml:"encoding"`
}

// Names is one name or a list of names.
type Names []string

// UnmarshalYAML accepts a text or a list of texts.
func (n *Names) UnmarshalYAML(data []byte) error {
	var one string
	if err := yaml.Unmarshal(data, &one); err == nil {
		*n = Names{one}
		return nil
	}
	var many []string
	if err := yaml.Unmarshal(data, &many); err != nil {
		return err
	}
	*n = many
	return nil
}

//go:embed *.yaml
var builtIn embed.FS

// BuiltIn returns the recipes that are built in, by name.
func BuiltIn() []Recipe {
	names, err := fs.Glob(builtIn, "*.yaml")
	if err != nil {
		panic(err) // a constant pattern
	}
	var all []Recipe
	for _, name := range names {
		text, err := Text(strings.TrimSuffix(name, ".yaml"))
		if err != nil {
			panic(err) // listed above
		}
		r, err := Parse(text)
		if err != nil {
			panic(fmt.Errorf("recipe %s: %w", name, err)) // checked by a test
		}
		all = append(all, r)
	}
	return all
}

// Text returns the text of a recipe that is built in, or fs.ErrNotExist.
func Text(name string) ([]byte, error) { return builtIn.ReadFile(name + ".yaml") }

// Parse reads a recipe.
func Parse(text []byte) (r Recipe, err error) {
	if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&r); err != nil {
		return r, err
	}
	if len(r.Files) == 0 {
		return r, errors.New("a recipe needs at least one entry in files")
	}
	for _, f := range r.Files {
		if _, err := path.Match(f.Match, ""); err != nil || f.Match == "" {
			return r, fmt.Errorf("match %q is not a pattern of file names", f.Match)
		}
		if f.Ignore != "" {
			continue
		}
		if f.Kind != "events" && f.Kind != "items" {
			return r, fmt.Errorf("kind of %q is %q; use events or items", f.Match, f.Kind)
		}
		for _, name := range slices.Sorted(maps.Keys(f.Columns)) {
			if _, ok := mapping.FieldNamed(name); !ok {
				return r, fmt.Errorf("%q has a column for %q; the fields are %s", f.Match, name, strings.Join(mapping.FieldNames(), ", "))
			}
		}
		for from, to := range f.Types {
			if err := recsys.CheckID("event type", to); err != nil {
				return r, fmt.Errorf("type %q of %q: %w", from, f.Match, err)
			}
		}
	}
	if r.Interest == nil {
		return r, nil
	}
	if _, err := r.Interest.Interest(); err != nil {
		return r, err
	}
	return r, nil
}

// For returns the entry for a file by its name, or nil.
func (r *Recipe) For(name string) *File {
	name = strings.ToLower(path.Base(name))
	for _, packed := range []string{".gz", ".zst", ".bz2"} {
		name = strings.TrimSuffix(name, packed)
	}
	for i := range r.Files {
		if ok, err := path.Match(strings.ToLower(r.Files[i].Match), name); ok && err == nil {
			return &r.Files[i]
		}
	}
	return nil
}

// Apply returns the rules of a file. What the caller has chosen, by flags, is kept.
func (f *File) Apply(rules mapping.Rules) mapping.Rules {
	rules.Items, rules.Events, rules.Recipe = f.Kind == "items", f.Kind == "events", true
	rules.Types, rules.Only, rules.Others = f.Types, f.Only, map[mapping.Field][]string{}
	if rules.EventType == "" {
		rules.EventType = f.EventType
	}
	for name, columns := range f.Columns {
		field, _ := mapping.FieldNamed(name) // checked by Parse
		if rules.Columns.Of(field) != "" || len(columns) == 0 {
			continue
		}
		rules.Columns.Set(field, columns[0])
		rules.Others[field] = columns[1:]
	}
	return rules
}
