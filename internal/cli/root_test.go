package cli_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestWrongUsage(t *testing.T) {
	for line, want := range map[string]string{
		"nope":                            "unknown command \"nope\" for \"recflow\"\nusage: recflow",
		"refesh":                          "did you mean refresh?",
		"versions lost":                   "unknown command \"lost\" for \"recflow versions\"; did you mean list?",
		"similar":                         "usage: recflow similar ITEM [flags]; see `recflow similar --help`",
		"recommend":                       "name a user, or a file of users with --users",
		"recommend \x01":                  "user contains a control character",
		"import":                          "usage: recflow import PATH...|completejourney [flags]",
		"import x.csv --format xml":       "format \"xml\" is unknown",
		"import x.csv --event-type=\x01":  "event type contains a control character",
		"import x.csv --max-rejects=-3":   "--max-rejects is -3",
		"refresh --index":                 "flag needs an argument: --index",
		"refresh --accept-gate quality":   "missing [reason]",
		"refresh --rank high":             "invalid argument \"high\"",
		"refresh --follow x --rank 8":     "[follow rank] were all set",
		"versions promote first":          "\"first\" is not the number of a version",
		"recommend someone --output=fine": "unknown output format \"fine\"",
	} {
		t.Run("it exits with 2 and explains: "+line, func(t *testing.T) {
			r := clitest.Run(t.Context(), "", strings.Fields(line)...)
			assert.Equal(t, 2, r.Code, r.Err)
			assert.Contains(t, r.Err, want)
			assert.Empty(t, r.Out)
		})
	}
}
