package recipes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/importer/recipes"
)

func TestBuiltIn_recipes_are_valid(t *testing.T) {
	t.Parallel()
	var names []string
	for _, r := range recipes.BuiltIn() {
		names = append(names, r.Name)
		require.NotEmpty(t, r.Description)
		if r.Interest == nil {
			continue
		}
		in, err := r.Interest.Interest()
		require.NoError(t, err)
		for _, f := range r.Files {
			for _, to := range f.Types {
				require.True(t, in.Declares(to), "%s: the interest has no weight for %s", r.Name, to)
			}
		}
	}
	require.Equal(t, []string{"ga4", "movielens", "personalize-csv", "rees46", "retailrocket", "segment", "snowplow"}, names)
}

func TestParse_names_what_is_wrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"name: x\n":                                                             "at least one entry in files",
		"files: [{match: '*.csv', kind: rows}]":                                 `kind of "*.csv" is "rows"; use events or items`,
		"files: [{match: '[', kind: events}]":                                   "is not a pattern",
		"files: [{match: '*', kind: events, columns: {who: x}}]":                `has a column for "who"; the fields are user, item, type`,
		"files: [{match: '*', kind: events, colums: {user: x}}]":                "colums",
		"files: [{match: '*', kind: events, types: {a: ''}}]":                   `type "a" of "*": event type is empty`,
		"files: [{match: '*', kind: events}]\ninterest: {weights: {view: -1}}":  "no event type has a weight above 0",
		"files: [{match: '*', kind: events}]\ninterest: {wheights: {view: -1}}": "wheights",
		"files: [{match: '*', kind: events, columns: {user: {a: b}}}]":          "",
	} {
		_, err := recipes.Parse([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

func TestFor_matches_names(t *testing.T) {
	t.Parallel()
	r, err := recipes.Parse([]byte("files:\n  - {match: 'Ratings.csv', kind: events}\n  - {match: '*.csv', ignore: other}\n"))
	require.NoError(t, err)
	require.Equal(t, "events", r.For("/data/ratings.CSV.gz").Kind)
	require.Equal(t, "other", r.For("tags.csv").Ignore)
	require.Nil(t, r.For("readme.txt"))
}
