package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/local/toolchain"
	"github.com/recflow/recflow/internal/postgres"
)

// The results of a check.
const (
	OK   = "ok"
	Warn = "warn"
	Fail = "fail"
	Skip = "skipped" // another problem must be fixed first
)

// minFree is the disk space in bytes that a demo and its caches need.
const minFree = 5 << 30

// Check is the result of one check.
type Check struct {
	Name   string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// Doctor checks the local stack's requirements and parts. It changes nothing. known
// reports whether the home contains a stack.
func Doctor(ctx context.Context, o Options, known bool) []Check {
	checks := []Check{
		checkSystem(),
		checkCommand(ctx, "go", Warn, "install Go; it builds recflow, and Temporal when there is no download", "go", "version"),
		checkCommand(ctx, "python", Warn, "install Python 3.11; it runs the training job and installs Postgres", "python3.11", "--version"),
		checkTools(o.Programs.Cache),
		checkDisk("disk of the cache", o.Programs.Cache),
		checkDisk("disk of the stack", o.Home),
		checkFile("worker program", o.Programs.Worker, "run `make build`"),
		checkFile("API program", o.Programs.API, "run `make build`"),
		checkFile("stream's function", o.Programs.Lambda, "run `make build`"),
		checkFile("training job", filepath.Join(o.Programs.GlueDir, "glue_job.py"), "run recflow from a checkout, or from its bin directory"),
	}
	s := New(o)
	if !known {
		return append(checks, portChecks(s.Parts())...)
	}
	return append(checks, s.partChecks(ctx)...)
}

func checkSystem() Check {
	c := Check{Name: "system", State: OK, Detail: fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		c.State, c.Fix = Fail, "use Linux, macOS or WSL"
	}
	return c
}

// checkCommand runs a short command and shows the first line of its output.
func checkCommand(ctx context.Context, name, worst, fix string, args ...string) Check {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return Check{Name: name, State: worst, Detail: err.Error(), Fix: fix}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return Check{Name: name, State: OK, Detail: first}
}

func checkTools(cache string) Check {
	c := Check{Name: "local tools", State: OK, Detail: cache}
	tools, ok := toolchain.Current(cache)
	if !ok {
		c.State, c.Fix = Warn, "run `recflow setup` (`recflow up` does it too)"
		c.Detail = "not set up, or for another version, in " + cache
		return c
	}
	c.Detail = fmt.Sprintf("complete in %s; Java in %s", cache, tools.JavaHome)
	return c
}

func checkDisk(name, dir string) Check {
	free, err := freeBytes(dir)
	c := Check{Name: name, State: OK, Detail: fmt.Sprintf("%.1f GB free at %s", float64(free)/1e9, dir)}
	switch {
	case err != nil:
		c.State, c.Detail = Warn, err.Error()
	case free < minFree:
		c.State, c.Fix = Warn, "free up space, or set RECFLOW_CACHE and RECFLOW_HOME to directories on a larger disk"
	}
	return c
}

func checkFile(name, path, fix string) Check {
	if _, err := os.Stat(path); err != nil {
		return Check{Name: name, State: Fail, Detail: err.Error(), Fix: fix}
	}
	return Check{Name: name, State: OK, Detail: path}
}

// portChecks checks whether the parts can listen on their ports.
func portChecks(parts []Part) []Check {
	var checks []Check
	for _, p := range parts {
		for _, port := range p.Ports() {
			c := Check{Name: fmt.Sprintf("port %d (%s)", port, p.Name()), State: OK, Detail: "free"}
			if err := free(port); err != nil {
				c.State, c.Detail = Fail, err.Error()
				c.Fix = "stop the process that uses it, or `recflow up --port-offset 100`"
			}
			checks = append(checks, c)
		}
	}
	return checks
}

// partChecks checks each part, and the contents of the running ones.
func (s *Stack) partChecks(ctx context.Context) []Check {
	var checks []Check
	running := map[string]bool{}
	for i, st := range s.Status(ctx) {
		c := Check{Name: st.Part, State: OK, Detail: fmt.Sprintf("pid %d, %s", st.PID, st.Address)}
		switch st.State {
		case Running:
			running[st.Part] = true
			checks = append(checks, c)
			continue
		case Unready:
			c.State, c.Detail, c.Fix = Fail, "running but not ready: "+st.Detail, "see `recflow logs "+st.Part+"`, then `recflow down` and `recflow up`"
		case Dead:
			c.State, c.Detail, c.Fix = Fail, st.Detail, "see `recflow logs "+st.Part+"`, then `recflow up`"
		case Stopped:
			c.State, c.Detail, c.Fix = Warn, "not started", "run `recflow up`"
		}
		checks = append(checks, c)
		if st.State != Unready {
			checks = append(checks, portChecks(s.Parts()[i:i+1])...)
		}
	}
	return append(checks,
		inside(ctx, running["postgres"], "pgvector", "run `recflow setup`, then `recflow down` and `recflow up`", s.checkVector),
		inside(ctx, running["s3"], "bucket", "run `recflow up`, which creates it again", s.checkBucket),
		inside(ctx, running["temporal"], "namespace", "run `recflow down` and `recflow up`", s.checkTemporal),
	)
}

// inside runs a check that needs its part to be running.
func inside(ctx context.Context, runs bool, name, fix string, check func(context.Context) (string, error)) Check {
	if !runs {
		return Check{Name: name, State: Skip, Detail: "its part is not running"}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	detail, err := check(ctx)
	if err != nil {
		return Check{Name: name, State: Fail, Detail: err.Error(), Fix: fix}
	}
	return Check{Name: name, State: OK, Detail: detail}
}

// checkVector opens the store as the commands do: it rejects a pgvector with known
// bugs.
func (s *Stack) checkVector(ctx context.Context) (string, error) {
	db, err := postgres.Open(ctx, postgres.Options{URL: s.vars()["RECFLOW_DATABASE_URL"], MaxConns: 2, Name: "recflow doctor"})
	if err != nil {
		return "", err
	}
	db.Close()
	return "version accepted, schema opens", nil
}

func (s *Stack) checkBucket(ctx context.Context) (string, error) {
	config, err := awsclient.Load(ctx, awsclient.OptionsFrom(s.vars()))
	if err != nil {
		return "", err
	}
	bucket := awsclient.NewS3(config, s.settings.Bucket)
	for _, err := range bucket.List(ctx, "no-such-prefix/") {
		if err != nil {
			return "", err
		}
	}
	return s.settings.Bucket + " can be read", nil
}

func (s *Stack) checkTemporal(ctx context.Context) (string, error) {
	if err := temporalServes(ctx, s.settings.Ports.Temporal); err != nil {
		return "", err
	}
	return fmt.Sprintf("namespace %s with %d search attributes", Namespace, len(SearchAttributes)), nil
}

func (s *Stack) vars() map[string]string { return s.settings.Env(s.home) }

// Healthy reports whether no check failed.
func Healthy(checks []Check) error {
	n := 0
	for _, c := range checks {
		if c.State == Fail {
			n++
		}
	}
	if n > 0 {
		return errors.New(plural(n, "check") + " failed")
	}
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
