package lambda

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// environment is one process and its Runtime API.
type environment struct {
	host    *Host
	command *exec.Cmd
	server  *http.Server
	began   time.Time

	asked  chan struct{}    // closed at the first request for work
	failed chan []byte      // receives the function's report of a failed initialization
	next   chan *invocation // to the process, when it asks
	exited chan struct{}    // closed when the process has ended and its output is read
	status error            // of the process, once it has exited
	tail   *tail            // of what it printed
	first  bool             // no invocation has run yet
	took   time.Duration    // of the initialization
	once   sync.Once

	mu      sync.Mutex
	current *invocation
}

// invocation is one call in progress.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	done     chan outcome // has one element
}

type outcome struct {
	result        []byte
	functionError string
	err           error
	broken        bool // the environment must be discarded
}

func start(h *Host) (*environment, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environment{
		host: h, began: time.Now(), asked: make(chan struct{}), failed: make(chan []byte, 1),
		next: make(chan *invocation), exited: make(chan struct{}), tail: &tail{}, first: true,
	}
	e.server = &http.Server{Handler: e.api(), ReadHeaderTimeout: 10 * time.Second}
	go e.server.Serve(l) //nolint:errcheck // it ends when the environment does
	e.command = exec.Command(h.options.Command[0], h.options.Command[1:]...)
	e.command.Env = h.options.variables(l.Addr().String())
	e.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Both go through a pipe that is read to its end. A leftover child would keep
	// it open; it is killed with the group.
	out := &lineWriter{to: h.log, also: e.tail}
	e.command.Stdout, e.command.Stderr = out, out
	e.command.WaitDelay = time.Second
	if err := e.command.Start(); err != nil {
		e.server.Close()
		return nil, err
	}
	go func() {
		e.status = e.command.Wait()
		e.kill()
		out.flush()
		close(e.exited)
		h.retire(e)
	}()
	return e, nil
}

// variables returns the variables that Lambda sets and the function's own.
func (o Options) variables(api string) []string {
	vars := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"AWS_LAMBDA_FUNCTION_NAME":        o.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(o.MemoryMB),
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + o.Name,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"LAMBDA_TASK_ROOT":                filepath.Dir(o.Command[0]),
		"_HANDLER":                        "bootstrap",
		"PATH":                            "/usr/local/bin:/usr/bin:/bin",
		"TZ":                              ":UTC",
	}
	for k, v := range o.Env {
		vars[k] = v
	}
	out := make([]string, 0, len(vars))
	for k, v := range vars {
		out = append(out, k+"="+v)
	}
	return out
}

// initialize waits until the process asks for work.
func (e *environment) initialize(ctx context.Context) error {
	timeout := time.NewTimer(initTimeout)
	defer timeout.Stop()
	select {
	case <-e.asked:
		e.took = time.Since(e.began)
		return nil
	case reason := <-e.failed:
		return fmt.Errorf("the function could not start: %s", reason)
	case <-e.exited:
		select {
		case reason := <-e.failed: // it reported the reason before it ended
			return fmt.Errorf("the function could not start: %s", reason)
		default:
			return fmt.Errorf("the process ended (%w); its output: %s", orExit(e.status), e.tail)
		}
	case <-timeout.C:
		return fmt.Errorf("it did not request work within %s; its output: %s", initTimeout, e.tail)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func orExit(status error) error {
	if status == nil {
		return errors.New("exit status 0")
	}
	return status
}

// run passes the invocation to the process and waits for its end. ran is false if
// the process did not take it, because it had ended or does not ask for work any
// more.
func (e *environment) run(ctx context.Context, inv *invocation) (out outcome, ran bool) {
	began := time.Now()
	timeout := e.host.options.Timeout
	inv.deadline = began.Add(timeout)
	deaf := time.NewTimer(min(initTimeout, timeout))
	defer deaf.Stop()
	select {
	case e.next <- inv:
	case <-e.exited:
		return outcome{}, false
	case <-deaf.C:
		return outcome{}, false
	case <-ctx.Done():
		return outcome{}, false
	}
	e.host.log.printf("START RequestId: %s Version: $LATEST", inv.id)
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case out = <-inv.done:
	case <-late.C:
		out = outcome{functionError: Unhandled, broken: true,
			result: failure("Sandbox.Timedout", "RequestId: %s Error: Task timed out after %.2f seconds", inv.id, timeout.Seconds())}
	case <-e.exited:
		out = e.lastWords(inv)
	case <-ctx.Done():
		out = outcome{err: fmt.Errorf("invoke %s: %w", e.host.options.Name, ctx.Err()), broken: true}
	}
	e.report(inv, time.Since(began), out)
	return out, true
}

// lastWords returns the outcome when the process has ended: it may have responded
// before.
func (e *environment) lastWords(inv *invocation) outcome {
	select {
	case out := <-inv.done:
		out.broken = true
		return out
	default:
		if e.host.isClosed() {
			return outcome{err: errClosed, broken: true}
		}
		return outcome{functionError: Unhandled, broken: true, result: failure("Runtime.ExitError",
			"RequestId: %s Error: Runtime exited with error: %v; last output: %s", inv.id, orExit(e.status), e.tail)}
	}
}

func (e *environment) report(inv *invocation, took time.Duration, out outcome) {
	e.host.log.printf("END RequestId: %s", inv.id)
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tMemory Size: %d MB", inv.id,
		float64(took.Microseconds())/1000, e.host.options.MemoryMB)
	if e.first {
		line += fmt.Sprintf("\tInit Duration: %.2f ms", float64(e.took.Microseconds())/1000)
		e.first = false
	}
	if out.functionError != "" {
		line += "\tStatus: error"
	}
	e.host.log.printf("%s", line)
}

// kill kills the process and its children.
func (e *environment) kill() { _ = syscall.Kill(-e.command.Process.Pid, syscall.SIGKILL) }

// close ends the environment and waits until its processes have exited.
func (e *environment) close() {
	e.once.Do(func() {
		select {
		case <-e.exited: // its process ID may have been reused
		default:
			e.kill()
		}
	})
	<-e.exited
	e.server.Close()
}
