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

// UpOptions are the options of one start.
type UpOptions struct {
	Retain bool // if a part fails, leave the parts running that started before it
}

// Up starts the parts that are not running, restarts those that changed, and
// returns when every part is ready. If one fails, or ctx ends, it stops the parts
// that this call started, in reverse.
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
		return fmt.Errorf("write the settings: %w", err)
	}
	return s.startAll(ctx, missing, o)
}

// stopChanged stops running parts whose settings, binary or ports have changed, and
// the parts that depend on them, last stage first.
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
		task := s.progress.Start(p.Name(), "stopping: its settings or programs have changed")
		if err := p.Stop(ctx); err != nil {
			task.Fail()
			return err
		}
		task.Done("stopped, to be restarted")
	}
	return nil
}

// startAll starts stage after stage. Running parts are probed and prepared like the
// others, so that a missing bucket or table is created again.
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
			err = ctx.Err() // other failures result from that
		}
		if o.Retain {
			return err
		}
		// ctx may have ended; the cleanup must still run.
		return errors.Join(err, s.stopAll(context.WithoutCancel(ctx), missing))
	}
	return nil
}

// bring starts one part unless it is running, and waits until it is ready.
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

// waitReady probes a part until it is ready, exits or times out.
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
