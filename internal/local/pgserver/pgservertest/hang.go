package pgservertest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/recflow/recflow/internal/local/pgserver"
)

// Hang stops the processes of a server with SIGSTOP until resume is called: open
// connections stay open and nothing answers. The first process is stopped first, so
// that it starts no others.
func Hang(t testing.TB, s *pgserver.Server) (resume func()) {
	t.Helper()
	pid := s.PID()
	stopped := []int{pid}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop Postgres: %v", err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatalf("list the processes of Postgres: %v", err)
	}
	for _, text := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(text)
		if err == nil && syscall.Kill(child, syscall.SIGSTOP) == nil { // it may have ended
			stopped = append(stopped, child)
		}
	}
	resumed := false
	resume = func() {
		if resumed {
			return
		}
		resumed = true
		for _, p := range stopped {
			_ = syscall.Kill(p, syscall.SIGCONT) // as above
		}
	}
	t.Cleanup(resume) // before the server is stopped
	return resume
}
