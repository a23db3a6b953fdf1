package trainingrun_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/trainingrun"
	"github.com/recflow/recflow/internal/trainingrun/trainingruntest"
)

// object serves content in bodies that are interrupted after chunk bytes.
type object struct {
	content []byte
	chunk   int // 0: one body
	faults  *harnesstest.Faults
	opened  []int64
}

func (o *object) open(_ context.Context, offset int64) (io.ReadCloser, error) {
	o.opened = append(o.opened, offset)
	rest := o.content[offset:]
	if o.chunk == 0 || len(rest) <= o.chunk {
		return io.NopCloser(bytes.NewReader(rest)), nil
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(rest[:o.chunk]), failing{o.faults})), nil
}

type failing struct{ faults *harnesstest.Faults }

func (f failing) Read([]byte) (int, error) {
	f.faults.Inject("connection reset")
	return 0, errors.New("connection reset")
}

func TestFetch_returns_the_content(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	f := trainingruntest.Entry(recsys.ItemsFile, content, 1)
	faults := harnesstest.CountFaults(t)
	for _, chunk := range []int{0, 300_000} {
		dir := t.TempDir()
		o := &object{content: content, chunk: chunk, faults: faults}
		file, err := trainingrun.Fetch(t.Context(), o.open, f, dir)
		require.NoError(t, err)
		got, err := io.ReadAll(file)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		require.NoError(t, file.Close())
		if chunk > 0 {
			require.Equal(t, []int64{0, 300_000, 600_000, 900_000}, o.opened)
		}
		requireEmpty(t, dir)
	}
}

func TestFetch_rejects_content_that_differs_from_the_manifest(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	good := trainingruntest.Entry(recsys.ItemsFile, content, 1)
	changed := bytes.Clone(content)
	changed[777_777] ^= 1
	for name, served := range map[string][]byte{
		"a changed bit": changed,
		"truncated":     content[:len(content)-1],
		"one byte more": append(bytes.Clone(content), 0),
		"nothing":       {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, err := trainingrun.Fetch(t.Context(), (&object{content: served}).open, good, dir)
			require.ErrorIs(t, err, recsys.ErrManifestInvalid)
			require.ErrorContains(t, err, good.Key)
			requireEmpty(t, dir)
		})
	}
}

func TestFetch_fails_after_repeated_empty_bodies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := trainingruntest.Entry(recsys.ItemsFile, []byte("content"), 1)
	opened, faults := 0, harnesstest.CountFaults(t)
	_, err := trainingrun.Fetch(t.Context(), func(context.Context, int64) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(failing{faults}), nil
	}, f, dir)
	require.ErrorContains(t, err, "connection reset")
	require.NotErrorIs(t, err, recsys.ErrManifestInvalid)
	require.Equal(t, 4, opened)
	requireEmpty(t, dir)
}

func TestFetch_stops_when_canceled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := trainingruntest.Entry(recsys.ItemsFile, bytes.Repeat([]byte("x"), 10<<20), 1)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := trainingrun.Fetch(ctx, func(context.Context, int64) (io.ReadCloser, error) {
		cancel()
		return io.NopCloser(strings.NewReader(strings.Repeat("x", 10<<20))), nil
	}, f, dir)
	require.ErrorIs(t, err, context.Canceled)
	requireEmpty(t, dir)
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
