package datasets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// MovieLens is the name of the format of GroupLens's data sets: a folder.
const MovieLens = "movielens"

// FindMovieLens returns the files of a data set in the format of GroupLens,
// items first, or none if the folder lacks one of them. names are the folder's
// files. Genres become tags, the first one the category. Ratings keep their
// stars: the training decides which ones have weight.
func FindMovieLens(folder string, names []string, eventType string) []File {
	ratings, movies := pick(names, "ratings.csv"), pick(names, "movies.csv")
	if ratings == "" || movies == "" {
		return nil
	}
	if eventType == "" {
		eventType = recsys.Rating
	}
	return []File{
		{
			Path: filepath.Join(folder, movies), Format: tabular.CSV, DataSet: MovieLens,
			Rules: mapping.Rules{Items: true, Known: map[mapping.Field]string{
				mapping.Item: "movieId", mapping.Title: "title", mapping.Tags: "genres"}},
			Item: movie,
		},
		{
			Path: filepath.Join(folder, ratings), Format: tabular.CSV, DataSet: MovieLens,
			Rules: mapping.Rules{EventType: eventType, Known: map[mapping.Field]string{
				mapping.User: "userId", mapping.Item: "movieId", mapping.Value: "rating", mapping.Time: "timestamp"}},
		},
	}
}

// OlderMovieLens returns how to convert a folder in the format of an older data set of
// GroupLens, or "" if it is none.
func OlderMovieLens(folder string) string {
	for _, ratings := range []struct{ name, read string }{{"ratings.dat", `sed 's/::/\t/g' ratings.dat`}, {"u.data", "cat u.data"}} {
		if _, err := os.Stat(filepath.Join(folder, ratings.name)); err == nil {
			return fmt.Sprintf("%s is an older MovieLens set (%s), whose files have no header; convert it first: "+
				`(printf 'userId\tmovieId\trating\ttimestamp\n'; %s) > ratings.tsv`, folder, ratings.name, ratings.read)
		}
	}
	return ""
}

func movie(r *tabular.Record) (recsys.Item, string) {
	item, why := mapping.PlainItem(r)
	if len(item.Tags) == 1 && item.Tags[0] == "(no genres listed)" {
		item.Tags = nil
	}
	if len(item.Tags) > 0 {
		item.Category = item.Tags[0]
	}
	return item, why
}

// pick finds a file, plain or compressed.
func pick(names []string, name string) string {
	for _, packed := range []string{"", ".gz", ".zst"} {
		if slices.Contains(names, name+packed) {
			return name + packed
		}
	}
	return ""
}
