package imports_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestImport_dry_run_needs_no_stack(t *testing.T) {
	t.Setenv("RECFLOW_HOME", filepath.Join(t.TempDir(), "none"))
	code, r, stderr := clitest.Import(t, "userId,movieId,rating\n1,2,4.5\n,3,1\n", "-", "--dry-run", "--max-rejects", "1")
	require.Zero(t, code, stderr)
	require.EqualValues(t, 1, r.Events)
	require.Contains(t, stderr, "standard input:3: user_id is empty")
	require.Regexp(t, `movieId +item +2\n`, stderr)
	require.Regexp(t, `rating +1 +100.0 % +1 +100.0 % \(from 4\) +4.5\n`, stderr)
	require.Contains(t, stderr, "warning: 100 % of the events have no time")
	require.Contains(t, stderr, "1 events of 1 users and 1 items; 1 rows rejected", "the time of the import is not that of the events")
	require.NoDirExists(t, os.Getenv("RECFLOW_HOME"))
}

// README shows the report about testdata/events.csv.
func TestImport_reports_what_README_shows(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Chdir("testdata")
	code, _, stderr := clitest.Import(t, "", "events.csv", "--dry-run")
	require.Zero(t, code, stderr)
	_, report, _ := strings.Cut(stderr, "\n\n") // after the progress
	require.Contains(t, string(readme), strings.TrimSpace(report))
}

func TestImport_names_what_is_missing(t *testing.T) {
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_BUCKET", "")
	code, _, stderr := clitest.Import(t, "", "somewhere.csv")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "recflow up")
	code, _, stderr = clitest.Import(t, "who,what\n1,2\n", "-", "--dry-run")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `the columns are "who", "what"; name it with --user-column`)
	code, _, stderr = clitest.Import(t, "", "completejourney", "--format", "csv")
	require.Equal(t, 2, code, stderr)
}

func TestImportIntoABucketTwice(t *testing.T) {
	bucket := awstest.S3(t)
	for k, v := range awstest.Env(t) {
		t.Setenv(k, v)
	}
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_BUCKET", bucket.Bucket())
	path := filepath.Join(t.TempDir(), "events.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,item,ts\nu,i,2017-12-01\nv,j,2017-12-02\nbad,k,never\n"), 0o600))

	code, r, stderr := clitest.Import(t, "", path, "-q", "--max-rejects", "1")
	require.Zero(t, code, stderr)
	require.Equal(t, 2, r.Files[0].Objects.Written)
	require.FileExists(t, r.Rejects)

	code, r, stderr = clitest.Import(t, "", path, "--max-rejects", "0")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "more than the 0 of --max-rejects")
	require.Zero(t, r.Files[0].Objects.Written)
	require.Equal(t, 2, r.Files[0].Objects.Unchanged)

	var keys []string
	for o, err := range bucket.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
	require.Len(t, keys, 3)
	require.Regexp(t, `^raw/imports/[0-9a-f]{64}\.json$`, keys[0])
	require.Regexp(t, `^raw/interactions/dt=2017-12-01/[0-9a-f]{16}-00000\.parquet$`, keys[1])
}

func TestImport_recipes(t *testing.T) {
	t.Setenv("RECFLOW_HOME", t.TempDir())
	r := clitest.Run(t.Context(), "", "import", "recipes")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, "personalize-csv")
	r = clitest.Run(t.Context(), "", "import", "recipes", "rees46")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, "remove_from_cart: -2")
	own := filepath.Join(t.TempDir(), "shop.yaml")
	require.NoError(t, os.WriteFile(own, []byte(r.Out), 0o600))
	r = clitest.Run(t.Context(), "", "import", "recipes", own, "--interest")
	require.Zero(t, r.Code, r.Err)
	require.Contains(t, r.Out, "weights:")
	require.NotContains(t, r.Out, "columns")

	log := filepath.Join(t.TempDir(), "log.csv")
	require.NoError(t, os.WriteFile(log, []byte("event_time,event_type,product_id,price,user_id,user_session\n2019-10-01 00:00:00 UTC,cart,1,2.5,u,s\n"), 0o600))
	code, _, stderr := clitest.Import(t, "", log, "--dry-run", "--recipe", own)
	require.Zero(t, code, stderr)
	require.Regexp(t, `add_to_cart +1 +100.0 % +3 `, stderr)
	code, _, stderr = clitest.Import(t, "", log, "--dry-run", "--recipe", "absent")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `there is no recipe and no file "absent"`)
}
