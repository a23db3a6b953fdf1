package callrecorder

import (
	"os"
	"sync"

	"github.com/recflow/recflow/internal/e2e/iam"
)

// Log stores recorded calls, each once, in a file of JSON lines that several
// processes may append to. The zero Log stores them only in memory.
type Log struct {
	mu    sync.Mutex
	file  *os.File
	err   error
	seen  map[string]bool
	calls []iam.Call
}

// OpenLog opens a file for appending.
func OpenLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &Log{file: f}, err
}

// Record stores a call.
func (l *Log) Record(c iam.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	if l.seen[c.String()] {
		return
	}
	l.seen[c.String()] = true
	l.calls = append(l.calls, c)
	if l.file != nil && l.err == nil {
		l.err = iam.WriteCalls(l.file, []iam.Call{c})
	}
}

// Calls returns the recorded calls, sorted.
func (l *Log) Calls() []iam.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return iam.Distinct(l.calls)
}

// Close closes the file and returns the first write error.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	if err := l.file.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}
