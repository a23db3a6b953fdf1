package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/awsclient/awstest"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/importer/s3store"
)

func TestImports(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	require.Equal(t, "no_bucket", h.Do("GET", "/imports", nil).Problem(t).Code)
	h.imports = s3store.New(awstest.S3(t))
	api := h.Client(h.Token)

	var ids []string
	for i, body := range []string{
		"item_id,title\n1,a\n2,b\n", "user,item,ts\nu,1,2026-01-01\n", "user,item,ts\nu,1,2026-01-01\nv,1,2026-01-02\n", "user,item\nu,1\n,2\n",
	} {
		path := filepath.Join(t.TempDir(), "file.csv")
		require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
		r, err := importer.Import(t.Context(), h.imports, []string{path}, importer.Options{
			MaxRejects: 1, RejectsDir: t.TempDir(), Now: func() time.Time { return time.Date(2026, 2, 1, i, 0, 0, 0, time.UTC) },
		})
		require.NoError(t, err)
		ids = append(ids, r.Files[0].SHA256)
	}

	var listed []string
	var cursor string
	for range 2 {
		page, err := api.Imports(t.Context(), cursor, 2)
		require.NoError(t, err)
		for _, x := range page.Items {
			require.Empty(t, x.Report)
			listed = append(listed, x.ID)
		}
		cursor = page.Next
	}
	require.Empty(t, cursor)
	require.Equal(t, []string{ids[3], ids[2], ids[1], ids[0]}, listed, "newest first")

	one, err := api.Import(t.Context(), ids[3])
	require.NoError(t, err)
	require.Equal(t, []int64{2, 1, 1}, []int64{one.Rows, one.Accepted, one.Rejected})
	require.Equal(t, "rejected_rows", one.Warnings[0].Code)
	require.Contains(t, string(one.Report), `"counting":1`)
	two, err := api.Import(t.Context(), ids[2])
	require.NoError(t, err)
	require.Equal(t, []apiclient.Continued{{ID: ids[1], File: "file.csv", Rows: 1}}, two.Continues)

	p := h.Do("DELETE", "/imports/"+ids[1], nil)
	require.Equal(t, 409, p.Status)
	require.Equal(t, "continued", p.Problem(t).Code)
	for _, id := range []string{ids[2], ids[1]} {
		removed, err := api.RemoveImport(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, 1, removed.Objects)
	}
	require.Equal(t, 404, h.Do("DELETE", "/imports/"+ids[1], nil).Status)
	require.Equal(t, 404, h.Do("GET", "/imports/"+ids[1], nil).Status)
	page, err := api.Imports(t.Context(), "", 100)
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
}
