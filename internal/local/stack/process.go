package stack

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
	maxLogSize = 10 << 20 // bytes; a larger log is set aside at the next start
	tailLines  = 30       // of a part's output in an error
)

// process is a program that runs detached from the command that started it: in
// a session of its own, with its output in a file and its identity on disk.
type process struct {
	name  string
	home  string
	args  []string
	uses  []string          // other program files that it runs
	vars  map[string]string // set over the inherited environment
	grace time.Duration     // between the polite signal and the other one

	exited chan struct{} // closed when the process that we started last ends; nil when we started none
	status *error        // how it ended; read after exited is closed
}

// record is what is known of a started process, kept in run/NAME.json.
type record struct {
	PID      int       `json:"pid"`
	Identity string    `json:"identity"` // tells it from a later process with the same pid
	Made     string    `json:"made_from"`
	Started  time.Time `json:"started"`
	LogStart int64     `json:"log_start"` // size of the log before its first line
}

func (p *process) logPath() string    { return filepath.Join(p.home, "logs", p.name+".log") }
func (p *process) recordPath() string { return filepath.Join(p.home, "run", p.name+".json") }

// start starts the program and returns at once.
func (p *process) start() error {
	log, size, err := p.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = config.ChildEnv(p.vars)
	cmd.Dir = p.home
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: Ctrl-C in our terminal is for us, not for it, and
	// its group can be signalled as a whole.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	// Each start has its own: the wait for an earlier one may still be ending.
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

// remember writes the record of a process that has just been started.
func (p *process) remember(pid int, logStart int64) error {
	id, err := identity(pid)
	if err != nil {
		return nil // it is gone already: waiting for it to be ready will tell
	}
	data, err := json.Marshal(record{PID: pid, Identity: id, Made: p.fingerprint(), Started: time.Now(), LogStart: logStart})
	if err != nil {
		return err
	}
	return writeFile(p.recordPath(), data)
}

// openLog opens the log for appending and returns its size.
func (p *process) openLog() (*os.File, int64, error) {
	if info, err := os.Stat(p.logPath()); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(p.logPath(), p.logPath()+".1"); err != nil {
			return nil, 0, err
		}
	}
	log, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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

// find returns the record of the running process, or false when there is none.
func (p *process) find() (record, bool) {
	r, ok := p.readRecord()
	if !ok {
		return record{}, false
	}
	id, err := identity(r.PID)
	return r, err == nil && id == r.Identity
}

// readRecord returns the last record, whatever became of the process.
func (p *process) readRecord() (record, bool) {
	data, err := os.ReadFile(p.recordPath())
	if err != nil {
		return record{}, false
	}
	var r record
	if json.Unmarshal(data, &r) != nil || r.PID <= 1 {
		return record{}, false
	}
	return r, true
}

// current reports whether the running process is the one that start would make.
func (p *process) current() bool {
	r, ok := p.find()
	return ok && r.Made == p.fingerprint()
}

// stop ends the process and its group, politely first.
func (p *process) stop(ctx context.Context) error {
	r, ok := p.find()
	if !ok {
		return p.forget()
	}
	if err := syscall.Kill(-r.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	if p.gone(ctx, r, p.grace) {
		return p.forget()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := syscall.Kill(-r.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	if !p.gone(ctx, r, 5*time.Second) {
		return fmt.Errorf("stop %s: process %d does not end", p.name, r.PID)
	}
	return p.forget()
}

// gone waits until the process has ended.
func (p *process) gone(ctx context.Context, r record, patience time.Duration) bool {
	deadline := time.Now().Add(patience)
	for {
		if _, ok := p.find(); !ok {
			// What the leader left behind in its group has no owner now.
			_ = syscall.Kill(-r.PID, syscall.SIGKILL)
			return true
		}
		if time.Now().After(deadline) || pause(ctx, pollEvery) != nil {
			return false
		}
	}
}

func (p *process) forget() error {
	if err := os.Remove(p.recordPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// fingerprint digests what the process is made from: command line, environment
// and the program files. A different one means that it must be restarted.
func (p *process) fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", p.args, p.vars) // fmt sorts the keys
	for _, file := range append([]string{p.args[0]}, p.uses...) {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(h, " %d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// lastOutput returns the last lines that the process has printed.
func (p *process) lastOutput() []string {
	var from int64
	if r, ok := p.readRecord(); ok {
		from = r.LogStart
	}
	lines, _, err := tailFile(p.logPath(), from, tailLines)
	if err != nil {
		return nil
	}
	return lines
}

// ended reports how a process that we started ended, if it has.
func (p *process) ended() error {
	select {
	case <-p.exited: // nil, and so never ready, when we did not start it
		err := *p.status
		if err == nil {
			return errors.New("it ended by itself")
		}
		return fmt.Errorf("it ended: %s", strings.TrimPrefix(err.Error(), "signal: "))
	default:
		return nil
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
