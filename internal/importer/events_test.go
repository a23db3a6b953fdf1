package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/recsys"
)

func readEvents(t *testing.T, store Store, path string, o Options) (events []Found, refused []Reject) {
	t.Helper()
	f, err := OpenEvents(t.Context(), store, path, o)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Events(t.Context(),
		func(e Found) error { events = append(events, e); return nil },
		func(r Reject) error { refused = append(refused, r); return nil }))
	return events, refused
}

func TestEventFile_gives_the_events_of_an_import(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.csv")
	require.NoError(t, os.WriteFile(path, []byte("user,item,ts,stars\nu,i,2017-12-01,4.5\n,k,2017-12-01,1\nv,j,,5\n"), 0o600))
	store := newMemory()
	imported, err := Import(t.Context(), store, []string{path}, Options{MaxRejects: 10, RejectsDir: t.TempDir()})
	require.NoError(t, err)
	written := len(store.objects)

	later := func() time.Time { return time.Now().Add(time.Hour) }
	events, refused := readEvents(t, store, path, Options{Now: later})
	require.Len(t, events, 2)
	require.Equal(t, imported.Files[0].SampleEvents, []recsys.Event{events[0].Event, events[1].Event})
	require.Equal(t, []int64{2, 4}, []int64{events[0].Line, events[1].Line})
	require.Equal(t, []int64{1, 3}, []int64{events[0].Row, events[1].Row})
	require.Len(t, refused, 1)
	require.Equal(t, "user_id is empty", refused[0].Reason)
	require.Len(t, store.objects, written)
}

func TestEventFile_keeps_the_time_of_rows_without_one(t *testing.T) {
	t.Parallel()
	store := newMemory()
	read := func(now time.Time) []Found {
		events, _ := readEvents(t, store, "-", Options{Stdin: strings.NewReader("user,item\nu,i\nu,j\n"), Now: func() time.Time { return now }})
		return events
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	first := read(now)
	require.Equal(t, now, first[0].OccurredAt)
	require.Equal(t, first, read(now.Add(time.Hour)), "it sends the same events again")

	r, err := Import(t.Context(), store, []string{"-"}, Options{Stdin: strings.NewReader("user,item\nu,i\nu,j\n")})
	require.NoError(t, err)
	require.Equal(t, first[0].Event, r.Files[0].SampleEvents[0], "an import has the same ids and times as the sent events")

	f, err := OpenEvents(t.Context(), nil, "-", Options{Stdin: strings.NewReader("user,item\nu,i\n")})
	require.NoError(t, err)
	defer f.Close()
	err = f.Events(t.Context(), func(Found) error { return nil }, func(Reject) error { return nil })
	require.ErrorContains(t, err, "RECFLOW_BUCKET")
}

func TestEventFile_numbers_lines_as_an_import_does(t *testing.T) {
	t.Parallel()
	const text = "\xef\xbb\xbf" + `{"user_id":"u","item_id":"i","occurred_at":"2017-12-01T00:00:00Z"}` + "\n\n" +
		`{"user_id":"u","item_id":"j","occurred_at":"2017-12-01T00:00:00Z"}` + "\r\n"
	f, err := OpenEvents(t.Context(), nil, "-", Options{Stdin: strings.NewReader(text + strings.Repeat("x", 1<<20+1) + "\nend")})
	require.NoError(t, err)
	defer f.Close()
	var rows, lines []int64
	var refused []Reject
	require.NoError(t, f.Lines(t.Context(), func(row, line int64, text []byte) error {
		require.NotContains(t, string(text), "\r")
		rows, lines = append(rows, row), append(lines, line)
		return nil
	}, func(r Reject) error { refused = append(refused, r); return nil }))
	require.Equal(t, []int64{1, 2, 4}, rows)
	require.Equal(t, []int64{1, 3, 5}, lines)
	require.EqualValues(t, 4, refused[0].Line)

	events, _ := readEvents(t, nil, "-", Options{Stdin: strings.NewReader(text)})
	require.Equal(t, []int64{1, 2}, []int64{events[0].Row, events[1].Row})
}
