package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/local/aws/eventsource"
	"github.com/recflow/recflow/internal/local/process"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/postgres/postgrestest"
)

// trainingFlags are the flags of recflow refresh for a small training.
var trainingFlags = []string{"--rank", "8", "--iterations", "5", "--half-life", "never", "--accept-gate", "quality", "--reason", tooFewUsers}

const tooFewUsers = "too few users to compare"

// functionMemory is the most memory that a process of the function may use, in bytes.
const functionMemory = 256 << 20

// eventually is harnesstest.Eventually for conditions that are expensive to check.
func (l *loop) eventually(what string, ok func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*time.Minute)
	defer cancel()
	require.NoError(l.t, harnesstest.Poll(ctx, 300*time.Millisecond, ok), "timed out waiting for: %s", what)
}

// findPID returns the process ID of a part, or 0 if it does not run.
func (l *loop) findPID(part string) int {
	r, ok := (&process.Process{Name: part, Home: l.home}).Find()
	if !ok {
		return 0
	}
	return r.PID
}

func (l *loop) mustPID(part string) int {
	pid := l.findPID(part)
	require.Positive(l.t, pid, "%s is not running", part)
	return pid
}

// function returns the processes of the function.
func (l *loop) function() (pids []int) {
	stream := l.findPID("stream")
	for _, pid := range descendants(stream) {
		if pid != stream {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processes returns the command lines of all processes of the stack.
func (l *loop) processes() (found []string) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(l.t, err)
	for _, dir := range dirs {
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if bytes.Contains(env, []byte(l.home)) || bytes.Contains(command, []byte(l.home)) {
			found = append(found, filepath.Base(dir)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}

// mapping returns the status of the event source mapping.
func (l *loop) mapping() (status eventsource.Status, err error) {
	vars, err := stack.LoadEnv(l.home)
	if err != nil {
		return status, err
	}
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, vars["RECFLOW_STREAM_STATUS"], nil)
	if err != nil {
		return status, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return status, err
	}
	defer resp.Body.Close()
	return status, json.NewDecoder(resp.Body).Decode(&status)
}

// storedEvents returns the digests of the stored events.
func (l *loop) storedEvents() map[string][16]byte {
	conn := postgrestest.Conn(l.t, l.store)
	defer conn.Close(context.WithoutCancel(l.t.Context()))
	rows, err := conn.Query(l.t.Context(), "SELECT event_id, digest FROM recflow.live_events")
	require.NoError(l.t, err)
	out := map[string][16]byte{}
	var id string
	var digest []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &digest}, func() error {
		out[id] = [16]byte(digest)
		return nil
	})
	require.NoError(l.t, err)
	return out
}

// eachLine calls each for every document that Firehose has delivered under a prefix.
func eachLine[T any](l *loop, prefix string, each func(T)) {
	for o, err := range l.bucket.List(l.t.Context(), prefix) {
		require.NoError(l.t, err)
		require.NoError(l.t, awsclient.EachDelivered(l.t.Context(), l.bucket, o.Key, func(document T) bool {
			each(document)
			return true
		}))
	}
}

// resident returns the resident memory of a process in bytes, 0 if it has ended.
func resident(pid int) (kb int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := bytes.Cut(status, []byte("VmRSS:"))
	fmt.Sscan(string(rest), &kb)
	return kb << 10
}

// descendants returns a process and all processes below it, none for 0.
func descendants(root int) (pids []int) {
	if root == 0 {
		return nil
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	parents := map[int]int{}
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		// The name of the program is in parentheses and may contain any character.
		_, rest, _ := strings.Cut(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] != "Z" {
			parents[pid], _ = strconv.Atoi(f[1])
		}
	}
	pids = []int{root}
	for i := 0; i < len(pids); i++ {
		for pid, parent := range parents {
			if parent == pids[i] && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
