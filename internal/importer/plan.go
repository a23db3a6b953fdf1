package importer

import (
	"cmp"
	"context"
	"errors"
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
		Columns: o.Columns, Items: o.Kind == KindItems, Events: o.Kind == KindEvents, EventType: o.EventType, IDFormat: o.IDFormat,
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
	if o.Format == tabular.Auto || o.Format == datasets.MovieLens {
		if files, ignored, err = planMovieLens(path, o.EventType); files != nil || err != nil {
			return files, ignored, err
		}
	}
	if old := datasets.OlderMovieLens(path); old != "" {
		return nil, nil, errors.New(old)
	}
	if o.Format == datasets.MovieLens {
		return nil, nil, fmt.Errorf("%s has no ratings.csv and movies.csv", path)
	}
	w := folder{root: path, single: single, encoding: o.Encoding}
	if err := w.walk(path, nil); err != nil {
		return nil, nil, err
	}
	if len(w.items)+len(w.events) == 0 {
		const most = 5
		why := strings.Join(w.ignored[:min(most, len(w.ignored))], "; ")
		if n := len(w.ignored) - most; n > 0 {
			why += fmt.Sprintf("; and %d more", n)
		}
		return nil, nil, fmt.Errorf("%s has no .csv, .tsv, .json, .jsonl, .ndjson or .parquet file with rows (%s)", path, why)
	}
	return append(w.items, w.events...), w.ignored, nil
}

// planMovieLens returns the files of a folder in the format of GroupLens, or none.
func planMovieLens(path, eventType string) (files []datasets.File, ignored []string, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	files = datasets.FindMovieLens(path, names, eventType)
	for _, n := range names {
		if files != nil && !slices.ContainsFunc(files, func(f datasets.File) bool { return filepath.Base(f.Path) == n }) {
			ignored = append(ignored, n+": not used by the format movielens")
		}
	}
	return files, ignored, nil
}

// openFile opens and hashes a file of an import.
func openFile(ctx context.Context, file datasets.File, o Options) (*tabular.File, error) {
	in, err := tabular.Open(ctx, file.Path, o.Stdin, o.TempDir, func(n int64) {
		o.Progress(Progress{File: file.Path, Step: "hash", Done: n})
	})
	if err != nil {
		return nil, err
	}
	in.Encoding, in.Constants = cmp.Or(o.Encoding, file.Encoding), file.Constants
	return in, nil
}
