package imports

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/importer/recipes"
)

const recipesLong = `List the recipes that are built in, or print one.

A recipe is a YAML file that describes how the files of a source are read: which
column fills which field, what their event types are called here, which files and
rows are about something else, and the interest to train with. Print one to start
your own, and keep it in your repository:

  recflow import recipes rees46 > shop.yaml
  recflow import exports/ --recipe shop.yaml`

func newRecipesCommand(a *app.App) *cobra.Command {
	var interest bool
	cmd := &cobra.Command{
		Use:     "recipes [NAME]",
		Short:   "List the recipes for files of known sources, or print one",
		Long:    recipesLong,
		Example: "  recflow import recipes rees46 --interest > interest.yaml && recflow refresh --interest interest.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				l := output.Listing{Columns: []string{"recipe", "description"}}
				for _, r := range recipes.BuiltIn() {
					l.Rows = append(l.Rows, []string{r.Name, r.Description})
				}
				return a.Print(l)
			}
			text, r, err := readRecipe(args[0])
			if err != nil {
				return err
			}
			if interest {
				if r.Interest == nil {
					return fmt.Errorf("the recipe %s has no interest: train with the default", args[0])
				}
				if text, err = yaml.Marshal(r.Interest); err != nil {
					return err
				}
			}
			_, err = a.Out.Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&interest, "interest", false, "print only the interest, as a file for recflow refresh --interest")
	a.AddOutputFlag(cmd)
	return cmd
}

// readRecipe reads a recipe: one that is built in, or a file.
func readRecipe(name string) (text []byte, r *recipes.Recipe, err error) {
	if text, err = recipes.Text(name); errors.Is(err, fs.ErrNotExist) || strings.ContainsAny(name, `/\.`) {
		text, err = os.ReadFile(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no recipe and no file %q; list the recipes with `recflow import recipes`", name)
	}
	if err != nil {
		return nil, nil, err
	}
	parsed, err := recipes.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("recipe %s: %w", name, err)
	}
	if parsed.Name == "" {
		parsed.Name = strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
	}
	return text, &parsed, nil
}
