package importer

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func TestRemove_takes_an_import_back(t *testing.T) {
	t.Parallel()
	m := newMemory()
	keep, drop := file(t, "keep.csv", days(5)), file(t, "drop.csv", []byte(orders(12)))
	for _, path := range []string{keep, drop} {
		_, err := Import(t.Context(), m, []string{path}, options(t))
		require.NoError(t, err)
	}
	other := len(m.events(t)) - 12
	r, err := Import(t.Context(), m, []string{drop}, options(t))
	require.NoError(t, err)

	n, err := Remove(t.Context(), m, r.Files[0].SHA256)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Len(t, m.events(t), other)
	records, err := Records(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, records, 1)
	_, err = Remove(t.Context(), m, r.Files[0].SHA256)
	require.ErrorIs(t, err, recsys.ErrNotFound)

	later := options(t)
	later.Now = func() time.Time { return today.AddDate(0, 0, 1) }
	again, err := Import(t.Context(), m, []string{drop}, later)
	require.NoError(t, err)
	require.Equal(t, today.AddDate(0, 0, 1), again.Files[0].FirstImportedAt, "the file starts afresh")
	require.Len(t, m.events(t), other+12)
}

// A removal that is interrupted at any write or deletion can be repeated, and an
// import in between restores the file.
func TestRemove_can_be_repeated(t *testing.T) {
	t.Parallel()
	broken := errors.New("bucket unavailable")
	for at := range int64(3) {
		m := &failing{memory: newMemory(), at: -1}
		path := file(t, "drop.csv", days(5))
		r, err := Import(t.Context(), m, []string{path}, options(t))
		require.NoError(t, err)
		whole := m.events(t)

		m.at, m.err = at, broken
		m.changes.Store(0)
		_, err = Remove(t.Context(), m, r.Files[0].SHA256)
		require.ErrorIs(t, err, broken)
		m.at = -1
		_, err = Import(t.Context(), m, []string{path}, options(t))
		require.NoError(t, err)
		require.Equal(t, whole, m.events(t))

		m.at = at
		m.changes.Store(0)
		_, err = Remove(t.Context(), m, r.Files[0].SHA256)
		require.ErrorIs(t, err, broken)
		m.at = -1
		_, err = Remove(t.Context(), m, r.Files[0].SHA256)
		require.NoError(t, err)
		require.Empty(t, m.keys(""))
	}
}

// An import that another one continues is needed by it.
func TestRemove_keeps_what_a_later_import_continues(t *testing.T) {
	t.Parallel()
	m := newMemory()
	var ids []string
	for _, n := range []int{10, 18, 25} {
		r, err := Import(t.Context(), m, []string{file(t, "log.csv", []byte(orders(n)))}, options(t))
		require.NoError(t, err)
		ids = append(ids, r.Files[0].SHA256)
	}
	for i := range 2 {
		_, err := Remove(t.Context(), m, ids[i])
		require.ErrorIs(t, err, recsys.ErrConflict)
		require.ErrorContains(t, err, "log.csv) continues this one")
	}
	require.Len(t, m.events(t), 25)
	for _, id := range []string{ids[2], ids[1], ids[0]} {
		_, err := Remove(t.Context(), m, id)
		require.NoError(t, err)
	}
	require.Empty(t, m.keys(""))
}

// failing is a bucket whose change number at fails.
type failing struct {
	*memory
	at      int64
	changes atomic.Int64
	err     error
}

func (f *failing) change() error {
	if f.changes.Add(1)-1 == f.at {
		return f.err
	}
	return nil
}

func (f *failing) Put(ctx context.Context, key string, body []byte) error {
	if err := f.change(); err != nil {
		return err
	}
	return f.memory.Put(ctx, key, body)
}

func (f *failing) DeleteObjects(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	if err := f.change(); err != nil {
		if !strings.HasPrefix(keys[0], recordsPrefix) {
			_ = f.memory.DeleteObjects(ctx, keys[:len(keys)/2]...) // some are gone
		}
		return err
	}
	return f.memory.DeleteObjects(ctx, keys...)
}
