package toolchain

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/recflow/recflow/internal/progress"
)

// Wheels returns a directory of the cache with the wheels of list, which is the
// content of a requirements file with a version and a hash for every package. The
// wheels are for Python 3.11 on the given platforms (pip's tags), which need not be
// this machine's.
//
// The first call downloads them with the pip of the Python on PATH, which refuses a
// file with another hash and names it. Later calls use neither network nor Python.
// They do not read the files: the caller checks the hashes.
func Wheels(ctx context.Context, cache, list string, platforms []string, p *progress.Printer) (string, error) {
	in := &installer{Options: Options{Cache: cache}, progress: p}
	inputs := list + strings.Join(platforms, ",")
	dir := in.partDir("wheels", inputs)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory: %w", err)
	}
	lock, err := acquire(ctx, cache, p)
	if err != nil {
		return "", err
	}
	defer lock.Release()
	in.lock = lock
	return in.part("wheels", inputs, func(temp string) error { return in.downloadWheels(ctx, list, platforms, temp) })
}

func (in *installer) downloadWheels(ctx context.Context, list string, platforms []string, dir string) (err error) {
	task := in.progress.Start("wheels", "looking for Python")
	defer failed(task, &err)
	python, err := findPython(ctx)
	if err != nil {
		return err
	}
	file := dir + ".txt" // the directory contains only wheels
	defer os.Remove(file)
	if err := os.WriteFile(file, []byte(list), 0o644); err != nil {
		return err
	}
	args := []string{"--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", pythonVersion, "--dest", dir, "-r", file}
	for _, platform := range platforms {
		args = append(args, "--platform", platform)
	}
	if err := in.pip(ctx, task, python, "download", args...); err != nil {
		return fmt.Errorf("download wheels with the pip of %s (on Debian it needs the package python3-pip): %w", python, err)
	}
	task.Done("downloaded into the cache")
	return nil
}
