package importer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

// memory is a bucket in memory. It counts writes, and can make them fail.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    int
	fail    func(key string) error
	drop    bool // discard bodies, for tests that measure memory
}

var _ Store = (*memory)(nil)

func newMemory() *memory { return &memory{objects: map[string][]byte{}} }

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.objects[key]
	if !ok {
		return nil, fmt.Errorf("%s: %w", key, recsys.ErrNotFound)
	}
	return b, nil
}

func (m *memory) Stat(ctx context.Context, key string) (Object, error) {
	b, err := m.Get(ctx, key)
	sum := md5.Sum(b)
	return Object{Bytes: int64(len(b)), MD5: hex.EncodeToString(sum[:])}, err
}

func (m *memory) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	m.mu.Lock()
	_, taken := m.objects[key]
	if !taken {
		m.objects[key] = bytes.Clone(body)
	}
	m.mu.Unlock()
	if taken {
		return fmt.Errorf("%s: %w", key, recsys.ErrConflict)
	}
	return nil
}

func (m *memory) Put(_ context.Context, key string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		if err := m.fail(key); err != nil {
			return err
		}
	}
	m.puts++
	if m.drop && !strings.HasPrefix(key, recordsPrefix) {
		m.objects[key] = nil
		return nil
	}
	m.objects[key] = bytes.Clone(body)
	return nil
}

func (m *memory) List(_ context.Context, prefix string, each func(string) error) error {
	for _, k := range m.keys(prefix) {
		if err := each(k); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) DeleteObjects(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.objects, k)
	}
	return nil
}

func (m *memory) keys(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for k := range m.objects {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// events reads all events of the bucket, each event_id once, ordered by time.
func (m *memory) events(t testing.TB) []recsys.Event {
	t.Helper()
	seen := map[string]recsys.Event{}
	for _, k := range m.keys(interactionsPrefix) {
		body := m.objects[k]
		read, err := parquet.Read[eventRow](bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		for _, r := range read {
			at := time.UnixMicro(r.OccurredAt).UTC()
			require.Contains(t, k, "dt="+at.Format(time.DateOnly)+"/")
			seen[r.EventID] = recsys.Event{EventID: r.EventID, UserID: r.UserID, ItemID: r.ItemID, EventType: r.EventType, Value: r.Value,
				SessionID: r.SessionID, RecommendationID: r.RecommendationID, OccurredAt: at}
		}
	}
	var out []recsys.Event
	for _, e := range seen {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b recsys.Event) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.ItemID, b.ItemID), cmp.Compare(a.EventID, b.EventID))
	})
	return out
}

// items reads all items of the bucket, without the time of their import.
func (m *memory) items(t testing.TB) []itemRow {
	t.Helper()
	var out []itemRow
	for _, k := range m.keys(itemsPrefix) {
		body := m.objects[k]
		read, err := parquet.Read[itemRow](bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		for _, r := range read {
			r.ImportedAt = 0
			out = append(out, r)
		}
	}
	return out
}

// short formats events as user/item/type/value@time, for tables.
func short(events []recsys.Event) []string {
	var out []string
	for _, e := range events {
		s := e.UserID + "/" + e.ItemID + "/" + e.EventType
		if e.Value != nil {
			s += fmt.Sprintf("/%g", *e.Value)
		}
		out = append(out, s+"@"+e.OccurredAt.Format("2006-01-02T15:04:05.999999"))
	}
	return out
}

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func options(t testing.TB) Options {
	return Options{MaxRejects: 1000, RejectsDir: filepath.Join(t.TempDir(), "rejects"), TempDir: t.TempDir(), Now: func() time.Time { return today }}
}

// file writes a file for a test and returns its path.
func file(t testing.TB, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, body, 0o600))
	return path
}
