package imports_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }

func TestImports(t *testing.T) {
	clitest.NewSystem(t)
	bucket := awstest.S3(t)
	for k, v := range awstest.Env(t) {
		t.Setenv(k, v)
	}
	t.Setenv("RECFLOW_HOME", t.TempDir())
	t.Setenv("RECFLOW_BUCKET", bucket.Bucket())
	clitest.StartAPI(t, clitest.NoTemporal)
	path := filepath.Join(t.TempDir(), "clicks.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,item,event,ts\nu,i,click,2026-01-01\nu,j,like,2026-01-02\n"), 0o600))
	code, r, stderr := clitest.Import(t, "", path)
	require.Zero(t, code, stderr)
	id := r.Files[0].SHA256

	l := clitest.Run(t.Context(), "", "imports", "list")
	require.Zero(t, l.Code, l.Err)
	require.Regexp(t, id[:16]+` +20.* clicks.csv +events +2 +2 +0 +1 +complete`, l.Out)
	l = clitest.Run(t.Context(), "", "imports", "show", id[:6])
	require.Zero(t, l.Code, l.Err)
	require.Contains(t, l.Out, "2 events of 1 users and 2 items")
	require.Contains(t, l.Out, `warning: events of type "like" weigh nothing by default, 50 % of all`)
	l = clitest.Run(t.Context(), "", "imports", "show", id, "-o", "json")
	require.Zero(t, l.Code, l.Err)
	require.Contains(t, l.Out, `"code": "unweighted_types"`)

	l = clitest.Run(t.Context(), "", "imports", "show", "clicks.csv")
	require.Equal(t, app.ExitUsage, l.Code)
	l = clitest.Run(t.Context(), "", "imports", "remove", id[:6])
	require.Equal(t, app.ExitUsage, l.Code, "it asks")
	l = clitest.Run(t.Context(), "", "imports", "remove", id[:6], "--yes", "-o", "json")
	require.Zero(t, l.Code, l.Err)
	require.JSONEq(t, `{"objects":2}`, l.Out)
	l = clitest.Run(t.Context(), "", "imports", "remove", id[:6], "--yes")
	require.Equal(t, 1, l.Code)
	require.Contains(t, l.Err, "there is no import "+id[:6])
}
