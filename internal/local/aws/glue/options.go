package glue

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// maxTimeout is AWS's limit on a job's timeout.
const maxTimeout = 7 * 24 * time.Hour

// Options configures the endpoint and its job.
type Options struct {
	// Addr is host:port on a loopback address; port 0 chooses a free one.
	Addr string

	// StateDir contains the records and logs of runs. It is used by one endpoint at
	// a time.
	StateDir string

	// Python is the interpreter and Script the job's entry point.
	Python, Script string

	// Env is added to the environment of this process for the job, as NAME=value.
	Env []string

	// Job is the only job definition.
	Job Job

	// Grace is how long a job has between SIGTERM and SIGKILL; 0 means 10 s.
	Grace time.Duration

	// MaxLog limits the stored output of a run in bytes; 0 means 64 MiB. Of longer
	// output the end is kept.
	MaxLog int64

	// Log receives changes of runs; nil discards them.
	Log *slog.Logger
}

// Job is a job definition.
type Job struct {
	Name string

	// MaxConcurrentRuns limits the unfinished runs; 0 means 1, as on AWS.
	MaxConcurrentRuns int

	// Timeout stops a run that takes longer; 0 means 8 h, as on Glue 5. Glue counts
	// in minutes; shorter times are for tests.
	Timeout time.Duration

	// DefaultArguments apply unless the run sets them. Names include the two
	// dashes.
	DefaultArguments map[string]string
}

// complete validates o, reporting all mistakes at once, and sets defaults.
func (o Options) complete() (Options, error) {
	var errs []error
	if o.StateDir == "" {
		errs = append(errs, errors.New("the state directory is not set"))
	}
	if o.Python == "" {
		errs = append(errs, errors.New("the Python interpreter is not set"))
	}
	if o.Job.Name == "" {
		errs = append(errs, errors.New("the job has no name"))
	}
	if o.Job.MaxConcurrentRuns < 0 || o.Job.Timeout < 0 || o.Job.Timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("the job's limits are out of range: %d runs, timeout %s", o.Job.MaxConcurrentRuns, o.Job.Timeout))
	}
	if o.Addr != "" {
		errs = append(errs, awsjson.CheckLoopback(o.Addr))
	}
	// Jobs run in another directory than this process.
	for _, path := range []*string{&o.StateDir, &o.Script} {
		var err error
		*path, err = filepath.Abs(*path)
		errs = append(errs, err)
	}
	if info, err := os.Stat(o.Script); err != nil || info.IsDir() {
		errs = append(errs, fmt.Errorf("the job's script %s is not a file", o.Script))
	}
	o.Job.MaxConcurrentRuns = cmp.Or(o.Job.MaxConcurrentRuns, 1)
	o.Job.Timeout = cmp.Or(o.Job.Timeout, 8*time.Hour)
	o.Grace = cmp.Or(o.Grace, 10*time.Second)
	o.MaxLog = cmp.Or(o.MaxLog, 64<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return o, fmt.Errorf("options of the local Glue endpoint: %w", err)
	}
	return o, nil
}
