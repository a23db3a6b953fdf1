package glue

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Files of a run's process in its directory.
const (
	outputFile = "output.log"
	exitFile   = "exit"
	pidFile    = "pid"
	lockFile   = "lock"
	tempDir    = "tmp"
)

const (
	adoptedPoll = 50 * time.Millisecond
	pidPatience = 5 * time.Second
)

// wrapper is the shell script that runs the job; it exits after the job.
//
//go:embed wrapper.sh
var wrapper string

// process is a job's process group, led by the wrapper.
type process struct {
	pid  int           // of the wrapper, and of its group
	done chan struct{} // closed when the wrapper has exited
}

// spawn starts argv in dir under the wrapper, in its own session so that neither
// the terminal nor the exit of this process affects it.
func spawn(dir string, argv, env []string) (*process, error) {
	output, err := os.OpenFile(filepath.Join(dir, outputFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	lock, err := tryLock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the wrapper's copy keeps it locked
	temp := filepath.Join(dir, tempDir)
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", wrapper, "glue-job"}, argv...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{lock} // descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// PWD follows Dir. The temporary files of Python, Spark and its JVM are in the
	// run's directory, which is removed even if the job is killed. The job names
	// its log in errors that only the log explains.
	cmd.Env = append(cmd.Environ(), "PYTHONUNBUFFERED=1", "RECFLOW_JOB_LOG="+output.Name(),
		"TMPDIR="+temp, "SPARK_LOCAL_DIRS="+temp, `SPARK_SUBMIT_OPTS="-Djava.io.tmpdir=`+temp+`"`)
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its status is irrelevant: the wrapper ends by killing its group
		close(p.done)
	}()
	return p, nil
}

// adopt returns the process that an earlier endpoint started in dir, or nil if it
// has ended.
func adopt(dir string) (*process, error) {
	p := &process{done: make(chan struct{})}
	for waited := time.Duration(0); ; waited += adoptedPoll {
		lock, err := tryLock(filepath.Join(dir, lockFile))
		if err == nil {
			lock.Close()
			return nil, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, err
		}
		// The wrapper writes its ID first. While it or the job holds the lock, the
		// group exists and its ID cannot have been reused.
		if p.pid, err = readNumber(filepath.Join(dir, pidFile)); err == nil && p.pid > 1 {
			break
		}
		if waited > pidPatience {
			return nil, fmt.Errorf("a job runs in %s, but its process ID is unknown: %w", dir, err)
		}
		time.Sleep(adoptedPoll)
	}
	go func() {
		defer close(p.done)
		for range time.Tick(adoptedPoll) { // not our child: the lock is released when it ends
			lock, err := tryLock(filepath.Join(dir, lockFile))
			if err == nil {
				lock.Close()
			}
			if !errors.Is(err, errLocked) {
				return
			}
		}
	}()
	return p, nil
}

// terminate ends the whole group: SIGTERM, then SIGKILL after grace. The wrapper
// survives SIGTERM until the job has exited. A signal that arrives before the shell
// has started the job is lost; SIGKILL then ends it.
func (p *process) terminate(grace time.Duration) {
	select {
	case <-p.done: // the ID may have been reused
		return
	default:
	}
	syscall.Kill(-p.pid, syscall.SIGTERM)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		syscall.Kill(-p.pid, syscall.SIGKILL)
		<-p.done
	}
}

// killRest kills the processes that outlived a wrapper that was killed alone.
func (p *process) killRest() { syscall.Kill(-p.pid, syscall.SIGKILL) }

// exitStatus returns the job's exit status and when the job ended. There is none if
// the wrapper was killed, or never started the job.
func exitStatus(dir string) (status int, ended time.Time, err error) {
	path := filepath.Join(dir, exitFile)
	if status, err = readNumber(path); err != nil {
		return 0, time.Time{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, time.Time{}, err
	}
	return status, info.ModTime().UTC(), nil
}

func readNumber(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}

var errLocked = errors.New("locked by another process")

// tryLock locks a file until the returned handle and all copies inherited by
// children are closed. It returns errLocked if another process has the lock.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", path, errLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
