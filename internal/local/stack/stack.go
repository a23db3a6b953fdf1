// Package stack runs recflow's local stack: Postgres, the emulator of S3 and
// Kinesis, Temporal, the Glue endpoint, the worker, Firehose and the stream's
// function, as processes of their own that outlive the command that started them
// (internal/local/process). Each part is a small type with Start, Ready and Stop;
// a Stack runs them in stages and stops them in reverse.
//
// What a part is for, and what stands in for what, is in docs/architecture.md.
// Installing the programs belongs to internal/local/toolchain, imitating AWS to
// internal/local/aws.
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

// Part is one piece of the local stack.
type Part interface {
	Name() string
	Ports() []int           // that it listens on, on the loopback address
	Address() string        // what a person opens or connects to
	Proc() *process.Process // how it runs
	Start(context.Context) error
	Ready(context.Context) error // one probe; nil when the part serves
	Stop(context.Context) error
}

// preparer is a part that needs something made in it once it is ready.
type preparer interface {
	Prepare(context.Context) error
}

// Stack is one local stack. Several run side by side when their homes and
// ports differ.
type Stack struct {
	home     string
	settings Settings
	stages   [][]Part
	progress *progress.Printer
}

// Options says where a stack lives and which programs it runs.
type Options struct {
	Home     string // folder of the state
	Settings Settings
	Tools    toolchain.Paths
	Programs Programs
	Progress *progress.Printer
	Without  []string // names of parts to leave out
}

// Programs are recflow's own binaries and the sources of the training job.
type Programs struct {
	Recflow string // this command
	Worker  string // recflow-worker
	API     string // recflow-api
	Lambda  string // recflow-lambda, the bootstrap of the stream's function
	GlueDir string // folder of glue_job.py
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

// Parts lists the parts in the order in which they start.
func (s *Stack) Parts() []Part {
	var all []Part
	for _, stage := range s.stages {
		all = append(all, stage...)
	}
	return all
}

// lock keeps two commands from changing one stack at once.
func (s *Stack) lock(ctx context.Context) (*filelock.Lock, error) {
	told := false
	return filelock.Acquire(ctx, filepath.Join(s.home, "lock"), func(pid int) {
		if !told {
			s.progress.Printf("waiting for another recflow command (pid %d) on this stack", pid)
			told = true
		}
	})
}

// PartError says which part of the stack did not work, and why. Its message
// ends with the part's last output.
type PartError struct {
	Part   string
	Log    string   // path of the part's log; may be empty
	Output []string // last lines that the part printed since it was started
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

// folders makes the folders of a home. The processes run as this user, and
// nobody else has business here.
func folders(home string) error {
	for _, name := range []string{"", "run", "logs", "s3", "s3/objects", "s3/state", "firehose", "stream"} {
		if err := os.MkdirAll(filepath.Join(home, name), 0o700); err != nil {
			return fmt.Errorf("make the home folder: %w", err)
		}
	}
	return nil
}

// ErrNoHome is returned for a folder that holds no local stack.
var ErrNoHome = errors.New("no local stack here")
