package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/importer"
)

// importing runs `recflow import` with args and decodes its JSON.
func importing(t *testing.T, stdin string, args ...string) (code int, r importer.Result, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"import", "-o", "json"}, args...), streams{in: strings.NewReader(stdin), out: &out, err: &errs})
	if out.Len() > 0 {
		require.NoError(t, json.Unmarshal(out.Bytes(), &r), out.String())
	}
	return code, r, errs.String()
}

func TestImportDryRunNeedsNoStack(t *testing.T) {
	t.Setenv("RECFLOW_HOME", filepath.Join(t.TempDir(), "none"))
	code, r, stderr := importing(t, "userId,movieId,rating\n1,2,4.5\n,3,1\n", "-", "--dry-run")
	require.Zero(t, code, stderr)
	require.EqualValues(t, 1, r.Events)
	require.Contains(t, stderr, "standard input:3: user_id is empty")
	require.Contains(t, stderr, "item=movieId, user=userId, value=rating, event type rating")
	require.NoDirExists(t, os.Getenv("RECFLOW_HOME"))
}

func TestImportSaysWhatIsMissing(t *testing.T) {
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_BUCKET", "")
	code, _, stderr := importing(t, "", "somewhere.csv")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "recflow up")
	code, _, stderr = importing(t, "who,what\n1,2\n", "-", "--dry-run")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, `the columns are "who", "what"; name it with --user-column`)
	code, _, stderr = importing(t, "", "completejourney", "--format", "csv")
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

	code, r, stderr := importing(t, "", path, "-q")
	require.Zero(t, code, stderr)
	require.Equal(t, 2, r.Files[0].Objects.Written)
	require.FileExists(t, r.Rejects)

	code, r, stderr = importing(t, "", path, "--max-rejects", "0")
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
