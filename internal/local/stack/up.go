package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	readyTimeout = 60 * time.Second
	probeTimeout = 5 * time.Second
	pollEvery    = 25 * time.Millisecond
)

// UpOptions are choices of one start.
type UpOptions struct {
	Retain bool // leave the parts running that started before another one failed
}

// Up starts what does not run, restarts what changed, and returns when every
// part serves. When one fails, or ctx ends, what this call started is stopped
// again in reverse.
func (s *Stack) Up(ctx context.Context, o UpOptions) error {
	if err := errors.Join(s.settings.checkFormat(s.home), s.settings.Ports.Validate()); err != nil {
		return err
	}
	if err := folders(s.home); err != nil {
		return err
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Release()
	if err := s.stopChanged(ctx); err != nil {
		return err
	}
	var missing []Part
	for _, p := range s.Parts() {
		if !p.Proc().Current() {
			missing = append(missing, p)
		}
	}
	if err := checkPorts(missing); err != nil {
		return err
	}
	if err := errors.Join(s.settings.write(s.home), writeEnv(s.home, s.settings.Env(s.home))); err != nil {
		return fmt.Errorf("keep the settings: %w", err)
	}
	return s.startAll(ctx, missing, o)
}

// stopChanged stops running parts that were made from other settings, another
// binary or other ports, with everything that depends on them, last stage first.
func (s *Stack) stopChanged(ctx context.Context) error {
	changed := false
	var stop []Part
	for _, stage := range s.stages {
		dependent := changed
		for _, p := range stage {
			_, running := p.Proc().Find()
			if running && (dependent || !p.Proc().Current()) {
				stop, changed = append(stop, p), true
			}
		}
	}
	slices.Reverse(stop)
	for _, p := range stop {
		task := s.progress.Start(p.Name(), "stopping: it was started from other settings or programs")
		if err := p.Stop(ctx); err != nil {
			task.Fail()
			return err
		}
		task.Done("stopped, to be started anew")
	}
	return nil
}

// startAll brings up stage after stage. Parts that run already are probed and
// prepared like the others, so that a bucket or a table that went missing is
// there again.
func (s *Stack) startAll(ctx context.Context, missing []Part, o UpOptions) error {
	for _, stage := range s.stages {
		group, stageCtx := errgroup.WithContext(ctx)
		for _, p := range stage {
			group.Go(func() error { return s.bring(stageCtx, p, slices.Contains(missing, p)) })
		}
		err := group.Wait()
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			err = ctx.Err() // whatever failed, failed because of that
		}
		if o.Retain {
			return err
		}
		// ctx may have ended; the clean-up must not.
		return errors.Join(err, s.stopAll(context.WithoutCancel(ctx), missing))
	}
	return nil
}

// bring starts one part unless it runs, and waits until it serves.
func (s *Stack) bring(ctx context.Context, p Part, start bool) (err error) {
	task := s.progress.Start(p.Name(), "starting")
	defer func() {
		if err == nil {
			return
		}
		task.Fail()
		if ctx.Err() == nil {
			err = &PartError{Part: p.Name(), Log: p.Proc().LogPath(), Output: p.Proc().LastOutput(), Err: err}
		}
	}()
	if start {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	if err := waitReady(ctx, p); err != nil {
		return err
	}
	if prep, ok := p.(preparer); ok {
		task.Update("preparing")
		if err := prep.Prepare(ctx); err != nil {
			return err
		}
	}
	if start {
		task.Done("%s", p.Address())
	} else {
		task.Done("%s (was running)", p.Address())
	}
	return nil
}

// waitReady probes a part until it serves, ends or takes too long.
func waitReady(ctx context.Context, p Part) error {
	deadline := time.Now().Add(readyTimeout)
	for {
		probe, cancel := context.WithTimeout(ctx, probeTimeout)
		err := p.Ready(probe)
		cancel()
		if err == nil {
			return nil
		}
		if ended := p.Proc().Ended(); ended != nil {
			return ended
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", readyTimeout, err)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
