package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
)

// plan lists the files of an import: items before events, so that a concurrent
// reader finds no event of an unknown item.
func plan(path string, o Options) (files []datasets.File, ignored []string, err error) {
	if o.Format == "" {
		o.Format = tabular.Auto
	}
	single := datasets.File{Path: path, Format: o.Format, Rules: mapping.Rules{
		Columns: o.Columns, Items: o.Items, Events: o.Events, EventType: o.EventType, IDFormat: o.IDFormat,
	}}
	if path == "-" {
		return []datasets.File{single}, nil, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !st.IsDir() {
		if o.Format == datasets.MovieLens {
			return nil, nil, fmt.Errorf("%s is a file; the format movielens is a folder with ratings.csv and movies.csv", path)
		}
		if !st.Mode().IsRegular() {
			return nil, nil, fmt.Errorf("%s is not a regular file; pipe it into `recflow import -`", path)
		}
		return []datasets.File{single}, nil, nil
	}
	return planFolder(path, o, single)
}

func planFolder(path string, o Options, single datasets.File) (files []datasets.File, ignored []string, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	if o.Format == tabular.Auto || o.Format == datasets.MovieLens {
		files = datasets.FindMovieLens(path, names, o.EventType)
	}
	if files != nil {
		for _, n := range names {
			if !slices.ContainsFunc(files, func(f datasets.File) bool { return filepath.Base(f.Path) == n }) {
				ignored = append(ignored, n)
			}
		}
		return files, ignored, nil
	}
	if o.Format == datasets.MovieLens {
		return nil, nil, fmt.Errorf("%s has no ratings.csv and movies.csv; an older MovieLens set must be converted to CSV first", path)
	}
	for _, n := range names {
		if !importable(n) {
			ignored = append(ignored, n)
			continue
		}
		f := single
		f.Path = filepath.Join(path, n)
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("%s has no .csv, .tsv, .jsonl, .ndjson or .parquet file", path)
	}
	return files, ignored, nil
}

// importable reports whether a file of a folder is a data file, by its name. A
// file that is named explicitly may have any name.
func importable(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	return slices.Contains([]string{".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}, filepath.Ext(name))
}
