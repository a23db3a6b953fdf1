package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Down stops every part, last started first. State is kept.
func (s *Stack) Down(ctx context.Context) error {
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	return s.stopAll(ctx, s.Parts())
}

// stopAll stops the given parts in reverse and continues when one does not stop.
func (s *Stack) stopAll(ctx context.Context, parts []Part) error {
	var errs []error
	for _, p := range slices.Backward(parts) {
		_, running := p.Proc().Find()
		if !running {
			errs = append(errs, p.Stop(ctx)) // cleans up after a crash
			continue
		}
		task := s.progress.Start(p.Name(), "stopping")
		if err := p.Stop(ctx); err != nil {
			task.Fail()
			errs = append(errs, err)
			continue
		}
		task.Done("stopped")
	}
	return errors.Join(errs...)
}

// Purge removes the home of a stopped stack. It returns an error for a directory
// that is not a home, or that contains other files.
func Purge(home string) error {
	if _, err := ReadSettings(home); err != nil {
		return fmt.Errorf("refuse to remove %s: %w", home, err)
	}
	entries, err := os.ReadDir(home)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ours(e.Name()) {
			return fmt.Errorf("refuse to remove %s: it contains %s, which is not recflow's", home, e.Name())
		}
	}
	// Remove the marker last, so that an interrupted removal can be repeated.
	for _, e := range entries {
		if e.Name() != settingsFile {
			if err := os.RemoveAll(filepath.Join(home, e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(home)
}

// ours reports whether a stack creates an entry of that name in its home.
func ours(name string) bool {
	switch name {
	case settingsFile, settingsFile + ".new", envFile, envFile + ".new", "lock", "run", "logs", "postgres", "s3", "glue", "firehose", "stream", "rejects", "tmp":
		return true
	}
	matched, _ := filepath.Match("temporal.db*", name)
	return matched
}
