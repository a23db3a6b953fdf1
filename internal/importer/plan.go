package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/recsys"
)

// plan lists the files of an import: items before events, so that a reader who
// looks in between finds no event of an unknown item.
func plan(path string, o Options) (jobs []job, ignored []string, err error) {
	if o.Format == "" {
		o.Format = formatAuto
	}
	single := job{path: path, format: o.Format, request: request{columns: o.Columns, items: o.Items, eventType: o.EventType}}
	if path == "-" {
		return []job{single}, nil, nil
	}
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !st.IsDir() {
		if o.Format == formatMovieLens {
			return nil, nil, fmt.Errorf("%s is a file; the format movielens is a folder with ratings.csv and movies.csv", path)
		}
		if !st.Mode().IsRegular() {
			return nil, nil, fmt.Errorf("%s is not a regular file; pipe it into `recflow import -`", path)
		}
		return []job{single}, nil, nil
	}
	return planFolder(path, o, single)
}

func planFolder(path string, o Options, single job) (jobs []job, ignored []string, err error) {
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
	ratings, movies := pick(names, "ratings.csv"), pick(names, "movies.csv")
	if ratings != "" && movies != "" && (o.Format == formatAuto || o.Format == formatMovieLens) {
		for _, n := range names {
			if n != ratings && n != movies {
				ignored = append(ignored, n)
			}
		}
		return movieLens(filepath.Join(path, movies), filepath.Join(path, ratings), o.EventType), ignored, nil
	}
	if o.Format == formatMovieLens {
		return nil, nil, fmt.Errorf("%s has no ratings.csv and movies.csv; an older MovieLens set must be converted to CSV first", path)
	}
	for _, n := range names {
		if !importable(n) {
			ignored = append(ignored, n)
			continue
		}
		j := single
		j.path = filepath.Join(path, n)
		jobs = append(jobs, j)
	}
	if len(jobs) == 0 {
		return nil, nil, fmt.Errorf("%s holds no .csv, .tsv, .jsonl, .ndjson or .parquet file", path)
	}
	return jobs, ignored, nil
}

// pick finds a file, plain or packed.
func pick(names []string, name string) string {
	for _, packed := range []string{"", ".gz", ".zst"} {
		if slices.Contains(names, name+packed) {
			return name + packed
		}
	}
	return ""
}

// importable tells a data file of a folder by its name. A file given by itself
// may be called anything.
func importable(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".gz"), ".zst")
	return slices.Contains([]string{".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"}, filepath.Ext(name))
}

// movieLens is a folder in the format of GroupLens: genres become tags, the
// first of them the category. Ratings keep their stars: what counts as interest
// is decided at training.
func movieLens(movies, ratings, eventType string) []job {
	if eventType == "" {
		eventType = recsys.Rating
	}
	return []job{
		{path: movies, format: formatCSV, label: formatMovieLens, request: request{items: true},
			named: map[field]string{fieldItem: "movieId", fieldTitle: "title", fieldTags: "genres"},
			shape: func(r *record) (recsys.Item, string) {
				item, why := plainItem(r)
				if len(item.Tags) == 1 && item.Tags[0] == "(no genres listed)" {
					item.Tags = nil
				}
				if len(item.Tags) > 0 {
					item.Category = item.Tags[0]
				}
				return item, why
			}},
		{path: ratings, format: formatCSV, label: formatMovieLens, request: request{eventType: eventType},
			named: map[field]string{fieldUser: "userId", fieldItem: "movieId", fieldValue: "rating", fieldTime: "timestamp"}},
	}
}
