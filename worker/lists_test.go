package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
	"github.com/recflow/recflow/workflows"
)

// writeLists records a lists backfill of the live version, and starts it.
func (s *stage) writeLists(id string, version int64, windows int) backfill.Backfill {
	s.t.Helper()
	b, _, err := s.store.CreateBackfill(s.t.Context(), postgrestest.Lists(s.t, id, version, windows, backfill.ListSettings{K: 10}))
	require.NoError(s.t, err)
	require.NoError(s.t, workflows.StartBackfill(s.t.Context(), s.temporal, "recflow", b))
	return b
}

// isListFile matches requests that write a file of lists of a window.
func isListFile(window string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/"+window+"-")
	}
}

// requireComplete checks that the objects of a run are its manifest and the files
// that it names.
func (s *stage) requireComplete(b backfill.Backfill, users int64) {
	s.t.Helper()
	require.Equal(s.t, backfill.Succeeded, b.State, b.Error)
	run := backfill.ListsRunID(b)
	data, err := s.s3.Get(s.t.Context(), backfill.ListsManifestKey(run), 1<<20)
	require.NoError(s.t, err)
	var m backfill.ListsManifest
	require.NoError(s.t, json.Unmarshal(data, &m))
	require.Equal(s.t, users, m.Users)
	sizes := map[string]int64{}
	for _, f := range m.Files {
		sizes[f.Key] = f.Bytes
	}
	for o, err := range s.s3.List(s.t.Context(), backfill.ListsRunPrefix(run)) {
		require.NoError(s.t, err)
		if o.Key != backfill.ListsManifestKey(run) {
			require.Equal(s.t, sizes[o.Key], o.Size, o.Key)
			delete(sizes, o.Key)
		}
	}
	require.Empty(s.t, sizes)
}

func TestLists_survive_a_killed_worker(t *testing.T) {
	t.Parallel()
	faults := harnesstest.CountFaults(t, workerKilled)
	s := newStage(t)
	version := s.refreshLive().Version
	v, err := s.store.Version(t.Context(), version)
	require.NoError(t, err)
	open := s.reads.close(isListFile("00001"))
	b := s.writeLists("killed", version, 3)
	harnesstest.Eventually(t, "the second window to write its file", func() bool { return s.reads.holding() > 0 })
	s.killWorker(faults)
	open()
	b = s.ledger(b.ID, "the end", over)
	s.requireComplete(b, v.Users)
	require.Equal(t, backfill.WindowCount{Total: 3, Succeeded: 3}, b.Count)
	require.Equal(t, 1, b.Windows[1].Attempt, "Temporal retried the step within the attempt")
	if *record {
		s.record(b.WorkflowID, "")
	}
}

func TestLists_stop_when_they_are_cancelled_and_continue_when_retried(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	version := s.refreshLive().Version
	v, err := s.store.Version(t.Context(), version)
	require.NoError(t, err)
	open := s.reads.close(isListFile("00001"))
	b := s.writeLists("cancelled", version, 3)
	harnesstest.Eventually(t, "the second window to write its file", func() bool { return s.reads.holding() > 0 })
	_, err = s.store.CancelBackfill(t.Context(), b.ID)
	require.NoError(t, err)
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), b.WorkflowID, ""))
	b = s.ledger(b.ID, "the end of the cancelled", over)
	open()
	require.Equal(t, backfill.Cancelled, b.State)
	require.Equal(t, backfill.Cancelled, b.Windows[1].State)
	_, err = s.s3.Stat(t.Context(), backfill.ListsManifestKey(backfill.ListsRunID(b)))
	require.Error(t, err, "it has no manifest")

	s.retry(b.ID)
	b = s.ledger(b.ID, "the end", over)
	s.requireComplete(b, v.Users)
	require.Equal(t, 2, b.Windows[1].Attempt)
	if *record {
		s.record(backfill.WorkflowID(b, 1), "")
		s.record(backfill.WorkflowID(b, 2), "")
	}
}

func TestLists_are_shared_by_two_workers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	version := s.refreshLive().Version
	v, err := s.store.Version(t.Context(), version)
	require.NoError(t, err)
	var second harnesstest.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), s.env...)
	cmd.Stdout, cmd.Stderr = &second, &second
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	other := &child{cmd: cmd, output: &second, ended: make(chan struct{}), stdin: stdin}
	go func() {
		_ = cmd.Wait()
		close(other.ended)
	}()
	defer other.stop()
	harnesstest.Eventually(t, "the second worker", func() bool { return strings.Contains(second.String(), `"worker ready"`) })

	// Each of two windows is held in its worker: a worker writes one at a time.
	open := s.reads.close(func(r *http.Request) bool { return isListFile("00000")(r) || isListFile("00001")(r) })
	b := s.writeLists("shared", version, 6)
	harnesstest.Eventually(t, "a window in each worker", func() bool { return s.reads.holding() == 2 })
	open()
	b = s.ledger(b.ID, "the end", over)
	s.requireComplete(b, v.Users)
}
