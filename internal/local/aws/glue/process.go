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

// Files that a run's process keeps in its folder.
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

// wrapper runs the job and outlives it; see the comments inside.
//
//go:embed wrapper.sh
var wrapper string

// process is a job's process group, led by the wrapper.
type process struct {
	pid  int           // of the wrapper, and of its group
	done chan struct{} // closed when the wrapper is gone
}

// spawn starts argv in dir under the wrapper, in a session of its own so that
// neither the terminal nor the end of this process reaches it.
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
	// PWD follows Dir. The scratch files of Python, Spark and its JVM stay in the
	// run's folder, which is cleared even when the job is killed. The job names its log
	// in errors that only the log explains.
	cmd.Env = append(cmd.Environ(), "PYTHONUNBUFFERED=1", "RECFLOW_JOB_LOG="+output.Name(),
		"TMPDIR="+temp, "SPARK_LOCAL_DIRS="+temp, `SPARK_SUBMIT_OPTS="-Djava.io.tmpdir=`+temp+`"`)
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its status says nothing: the wrapper ends by killing its group
		close(p.done)
	}()
	return p, nil
}

// adopt takes up the process that an earlier endpoint started in dir. It returns
// nil when there is none any more.
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
		// The wrapper writes its id first thing. While it or the job holds the lock,
		// the group exists and its id cannot be another's.
		if p.pid, err = readNumber(filepath.Join(dir, pidFile)); err == nil && p.pid > 1 {
			break
		}
		if waited > pidPatience {
			return nil, fmt.Errorf("a job runs in %s, but which process it is cannot be told: %w", dir, err)
		}
		time.Sleep(adoptedPoll)
	}
	go func() {
		defer close(p.done)
		for range time.Tick(adoptedPoll) { // not our child: its end is the lock's release
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
// survives SIGTERM until the job has gone. A signal that arrives while the shell
// is turning into the job is lost; SIGKILL makes up for it.
func (p *process) terminate(grace time.Duration) {
	select {
	case <-p.done: // the id may be another's by now
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

// killRest ends what outlived a wrapper that was killed alone.
func (p *process) killRest() { syscall.Kill(-p.pid, syscall.SIGKILL) }

// exitStatus returns the job's exit status, and when the job ended. There is none
// when the wrapper was killed, or never got to run the job.
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

// tryLock locks a file until the returned handle and every copy of it that a
// child has are closed. errLocked when someone else has it.
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
