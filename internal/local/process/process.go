package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/recflow/recflow/internal/config"
)

const (
	pollEvery  = 25 * time.Millisecond
	maxLogSize = 10 << 20 // bytes; a larger log is rotated at the next start
	tailLines  = 30       // of its output in an error
)

// Process is a program that runs detached from the command that started it: in its
// own session, with its output in a file and its identity on disk.
type Process struct {
	Name  string
	Home  string // its log is logs/NAME.log, its record run/NAME.json
	Args  []string
	Uses  []string          // other program files that it runs
	Vars  map[string]string // added to the inherited environment
	Grace time.Duration     // between SIGTERM and SIGKILL

	exited chan struct{} // closed when the process that this command started last ends; nil if it started none
	status *error        // how it ended; read after exited is closed
}

// Record is the record of a started process, stored in run/NAME.json.
type Record struct {
	PID      int       `json:"pid"`
	Identity string    `json:"identity"` // distinguishes it from a later process with the same PID
	Made     string    `json:"made_from"`
	Started  time.Time `json:"started"`
	LogStart int64     `json:"log_start"` // size of the log before its first line
}

// LogPath returns the path of the process's log.
func (p *Process) LogPath() string    { return filepath.Join(p.Home, "logs", p.Name+".log") }
func (p *Process) recordPath() string { return filepath.Join(p.Home, "run", p.Name+".json") }

// Start starts the program and returns at once.
func (p *Process) Start() error {
	log, size, err := p.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Env = config.ChildEnv(p.Vars)
	cmd.Dir = p.Home
	cmd.Stdout, cmd.Stderr = log, log
	// A new session: Ctrl-C in our terminal does not reach it, and its group can be
	// signaled as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// One per start: the wait for an earlier one may not have ended.
	exited, status := make(chan struct{}), new(error)
	go func() {
		*status = cmd.Wait()
		close(exited)
	}()
	p.exited, p.status = exited, status
	if err := p.remember(cmd.Process.Pid, size); err != nil {
		return errors.Join(err, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	}
	return nil
}

// StartBy starts the process with start, which uses another program such as pg_ctl,
// and records the process ID that start returns. Its output goes to LogPath.
func (p *Process) StartBy(start func() (pid int, err error)) error {
	log, size, err := p.openLog()
	if err != nil {
		return err
	}
	log.Close()
	pid, err := start()
	if err != nil {
		return err
	}
	return p.remember(pid, size)
}

// remember writes the record of a process that was just started.
func (p *Process) remember(pid int, logStart int64) error {
	id, err := identity(pid)
	if err != nil {
		return nil // it has already exited: waiting for readiness will report it
	}
	data, err := json.Marshal(Record{PID: pid, Identity: id, Made: p.fingerprint(), Started: time.Now(), LogStart: logStart})
	if err != nil {
		return err
	}
	temp := p.recordPath() + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, p.recordPath())
}

// openLog opens the log for appending and returns its size.
func (p *Process) openLog() (*os.File, int64, error) {
	if info, err := os.Stat(p.LogPath()); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(p.LogPath(), p.LogPath()+".1"); err != nil {
			return nil, 0, err
		}
	}
	log, err := os.OpenFile(p.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := log.Stat()
	if err != nil {
		log.Close()
		return nil, 0, err
	}
	return log, info.Size(), nil
}

// Find returns the record of the running process, or false when there is none.
func (p *Process) Find() (Record, bool) {
	r, ok := p.LastRecord()
	if !ok {
		return Record{}, false
	}
	id, err := identity(r.PID)
	return r, err == nil && id == r.Identity
}

// LastRecord returns the last record, whether or not the process still runs.
func (p *Process) LastRecord() (Record, bool) {
	data, err := os.ReadFile(p.recordPath())
	if err != nil {
		return Record{}, false
	}
	var r Record
	if json.Unmarshal(data, &r) != nil || r.PID <= 1 {
		return Record{}, false
	}
	return r, true
}

// Current reports whether the running process matches the one that start would
// create.
func (p *Process) Current() bool {
	r, ok := p.Find()
	return ok && r.Made == p.fingerprint()
}

// Stop ends the process and its group: SIGTERM first, then SIGKILL.
func (p *Process) Stop(ctx context.Context) error {
	r, ok := p.Find()
	if !ok {
		return p.RemoveRecord()
	}
	if err := syscall.Kill(-r.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	if p.gone(ctx, r, p.Grace) {
		return p.RemoveRecord()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := syscall.Kill(-r.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	if !p.gone(ctx, r, 5*time.Second) {
		return fmt.Errorf("stop %s: process %d does not end", p.Name, r.PID)
	}
	return p.RemoveRecord()
}

// gone waits until the process has ended.
func (p *Process) gone(ctx context.Context, r Record, patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for {
		if _, ok := p.Find(); !ok {
			// Kill what the leader left in its group.
			_ = syscall.Kill(-r.PID, syscall.SIGKILL)
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollEvery):
		}
	}
}

// RemoveRecord removes the record of a process that has exited.
func (p *Process) RemoveRecord() error {
	if err := os.Remove(p.recordPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// fingerprint is a digest of the command line, the environment and the program
// files. If it differs, the process must be restarted.
func (p *Process) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", p.Args, p.Vars) // fmt sorts the keys
	for _, file := range append([]string{p.Args[0]}, p.Uses...) {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(h, " %d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// LastOutput returns the last lines of the process's output.
func (p *Process) LastOutput() []string {
	var from int64
	if r, ok := p.LastRecord(); ok {
		from = r.LogStart
	}
	lines, _, err := Tail(p.LogPath(), from, tailLines)
	if err != nil {
		return nil
	}
	return lines
}

// Ended reports whether and how a process that this command started ended.
func (p *Process) Ended() error {
	select {
	case <-p.exited: // nil, and so never ready, if this command did not start it
		err := *p.status
		if err == nil {
			return errors.New("it ended by itself")
		}
		return fmt.Errorf("it ended: %s", strings.TrimPrefix(err.Error(), "signal: "))
	default:
		return nil
	}
}
