// Package stack runs recflow's local stack: Postgres, the emulator of S3 and
// Kinesis, Temporal, the Glue endpoint, the worker, Firehose and the stream's
// function, as processes that outlive the command that started them
// (internal/local/process). Each part is a small type with Start, Ready and Stop; a
// Stack runs them in stages and stops them in reverse.
//
// docs/architecture.md describes the parts and which AWS services they replace.
// internal/local/toolchain installs the programs; internal/local/aws has the AWS
// emulators.
package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/filelock"
	"github.com/recflow/recflow/internal/local/process"
	"github.com/recflow/recflow/internal/local/toolchain"
	"github.com/recflow/recflow/internal/progress"
)

// Part is one part of the local stack.
type Part interface {
	Name() string
	Ports() []int           // that it listens on, on the loopback address
	Address() string        // address for users
	Proc() *process.Process // the process
	Start(context.Context) error
	Ready(context.Context) error // one probe; nil when the part is ready
	Stop(context.Context) error
}

// preparer is a part that needs something created in it once it is ready.
type preparer interface {
	Prepare(context.Context) error
}

// Stack is one local stack. Several can run at the same time if their homes and
// ports differ.
type Stack struct {
	home     string
	settings Settings
	stages   [][]Part
	progress *progress.Printer
}

// Options sets where a stack stores its state and which programs it runs.
type Options struct {
	Home     string // directory of the state
	Settings Settings
	Tools    toolchain.Paths
	Programs Programs
	Progress *progress.Printer
	Without  []string // names of parts not to start
}

// Programs are recflow's own binaries and the sources of the training job.
type Programs struct {
	Recflow string // this command
	Worker  string // recflow-worker
	API     string // recflow-api
	Lambda  string // recflow-lambda, the bootstrap of the stream's function
	GlueDir string // directory of glue_job.py
	Cache   string // RECFLOW_CACHE for child processes
}

// New returns the stack of a home. It starts nothing.
func New(o Options) *Stack {
	s := &Stack{home: o.Home, settings: o.Settings, progress: o.Progress}
	if s.progress == nil {
		s.progress = progress.Discard()
	}
	for _, stage := range parts(o) {
		s.stages = append(s.stages, slices.DeleteFunc(stage, func(p Part) bool {
			return slices.Contains(o.Without, p.Name())
		}))
	}
	return s
}

// Parts returns the parts in start order.
func (s *Stack) Parts() []Part {
	var all []Part
	for _, stage := range s.stages {
		all = append(all, stage...)
	}
	return all
}

// lock prevents two commands from changing one stack at once.
func (s *Stack) lock(ctx context.Context) (*filelock.Lock, error) {
	told := false
	return filelock.Acquire(ctx, filepath.Join(s.home, "lock"), func(pid int) {
		if !told {
			s.progress.Printf("waiting for another recflow command (pid %d) on this stack", pid)
			told = true
		}
	})
}

// PartError is the failure of a part. Its message ends with the part's last output.
type PartError struct {
	Part   string
	Log    string   // path of the part's log; may be empty
	Output []string // last lines of output since the part was started
	Err    error
}

func (e *PartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "start %s: %v", e.Part, e.Err)
	if len(e.Output) > 0 {
		fmt.Fprintf(&b, "\n\nlast output of %s:\n    %s", e.Part, strings.Join(e.Output, "\n    "))
	}
	if e.Log != "" {
		fmt.Fprintf(&b, "\n\nits log: %s", e.Log)
	}
	return b.String()
}

func (e *PartError) Unwrap() error { return e.Err }

// folders creates the directories of a home, accessible to this user only, as whom
// the processes run.
func folders(home string) error {
	for _, name := range []string{"", "run", "logs", "s3", "s3/objects", "s3/state", "firehose", "stream"} {
		if err := os.MkdirAll(filepath.Join(home, name), 0o700); err != nil {
			return fmt.Errorf("create the home directory: %w", err)
		}
	}
	return nil
}

// ErrNoHome is returned for a directory without a local stack.
var ErrNoHome = errors.New("no local stack here")
