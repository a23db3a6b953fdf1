package glue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const trimEvery = time.Second

// run is a run of the job with its supervision. The record is guarded by the
// server's mutex.
type run struct {
	record
	dir  string
	stop chan struct{} // closed when the run must end before the job does
}

func newRun(rec record, dir string) *run {
	return &run{record: rec, dir: dir, stop: make(chan struct{})}
}

// start records a new run and starts its supervision. The caller holds s.mu and has
// checked the limits.
func (s *Server) start(arguments map[string]string, timeout time.Duration) (*run, error) {
	at := now()
	rec := record{
		ID: newRunID(), Job: s.options.Job.Name, State: Starting,
		Arguments: arguments, Timeout: timeout, Started: at, Modified: at,
	}
	r := newRun(rec, filepath.Join(runsDir(s.options.StateDir), rec.ID))
	if err := os.Mkdir(r.dir, 0o700); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(r.dir)); err != nil {
		return nil, err
	}
	if err := r.save(r.dir); err != nil {
		return nil, err
	}
	s.runs = append(s.runs, r)
	s.wg.Go(func() { s.launch(r) })
	return r, nil
}

// launch starts the job of a run and supervises it.
func (s *Server) launch(r *run) {
	s.mu.Lock()
	stopped := r.State != Starting
	argv := s.command(r)
	s.mu.Unlock()
	if stopped {
		s.finish(r, nil)
		return
	}
	p, err := spawn(r.dir, argv, s.options.Env)
	if err != nil {
		s.update(r, func() { r.end(Failed, fmt.Sprintf("start the job: %v", err), now()) })
		return
	}
	s.update(r, func() {
		if r.State == Starting {
			r.State = Running
		}
	})
	s.watch(r, p)
}

// takeUp supervises a run that an earlier endpoint started.
func (s *Server) takeUp(r *run) error {
	if r.State.over() {
		return nil
	}
	p, err := adopt(r.dir)
	if err != nil {
		return fmt.Errorf("adopt run %s: %w", r.ID, err)
	}
	if p == nil {
		s.finish(r, nil)
		return nil
	}
	s.options.Log.Info("adopted an active run", "glue_run_id", r.ID)
	if r.State == Starting {
		r.State = Running
	}
	if r.State == Stopping {
		close(r.stop)
	}
	s.wg.Go(func() { s.watch(r, p) })
	return nil
}

// watch waits for the job to end, stops it on request or at its timeout, and
// records the outcome.
func (s *Server) watch(r *run, p *process) {
	timeUp := time.NewTimer(time.Until(r.Started.Add(r.Timeout)))
	defer timeUp.Stop()
	trim := time.NewTicker(trimEvery)
	defer trim.Stop()
	for over := false; !over; {
		select {
		case <-p.done:
			over = true
		case <-timeUp.C:
			s.mu.Lock()
			s.beginStop(r, TimedOut, fmt.Sprintf("the job exceeded its timeout of %s", r.Timeout))
			s.mu.Unlock()
		case <-r.stop:
			p.terminate(s.options.Grace)
			over = true
		case <-trim.C:
			if err := trimOutput(r.dir, s.options.MaxLog); err != nil {
				s.options.Log.Warn("failed to truncate the output of a job run", "glue_run_id", r.ID, "error", err)
			}
		}
	}
	s.finish(r, p)
}

// finish records the outcome of a run whose process has ended. p is nil if there
// was none, or if an earlier endpoint lost it.
func (s *Server) finish(r *run, p *process) {
	status, ended, err := exitStatus(r.dir)
	if err != nil {
		ended = now()
		if p != nil {
			p.killRest()
		}
	}
	os.RemoveAll(filepath.Join(r.dir, tempDir))
	s.update(r, func() {
		switch {
		case r.State == Stopping:
			r.end(r.Ending, r.Reason, ended)
		case err != nil:
			r.end(Failed, vanished(r.dir), ended)
		case status == 0:
			r.end(Succeeded, "", ended)
		default:
			r.end(Failed, failure(r.dir, status), ended)
		}
	})
}

// end makes the record final.
func (r *run) end(state State, message string, at time.Time) {
	r.State, r.Message, r.Completed = state, message, at.UTC().Truncate(time.Millisecond)
}

// beginStop makes a run end in the state ending, unless it has ended or is already
// stopping. The caller holds s.mu.
func (s *Server) beginStop(r *run, ending State, reason string) {
	if r.State != Starting && r.State != Running {
		return
	}
	r.State, r.Ending, r.Reason = Stopping, ending, reason
	s.keep(r)
	close(r.stop)
}

// update changes a record under the lock and writes it.
func (s *Server) update(r *run, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.keep(r)
	s.options.Log.Info("job run changed state", "glue_run_id", r.ID, "state", string(r.State))
	if r.State == Failed || r.State == TimedOut {
		s.options.Log.Error("job run failed", "glue_run_id", r.ID, "state", string(r.State), "reason", r.Message, "log", filepath.Join(r.dir, outputFile))
	}
}

// keep writes the record. If that fails, memory stays correct and a later endpoint
// derives the outcome from the run's files.
func (s *Server) keep(r *run) {
	r.Modified = now()
	if err := r.save(r.dir); err != nil {
		s.options.Log.Error("failed to write the record of a job run", "glue_run_id", r.ID, "error", err)
	}
}

// command returns the job's command line: the arguments that Glue adds, then the
// job's default arguments overridden by the run's, by name.
func (s *Server) command(r *run) []string {
	merged := map[string]string{}
	for _, arguments := range []map[string]string{s.options.Job.DefaultArguments, r.Arguments} {
		for name, value := range arguments {
			merged[name] = value
		}
	}
	argv := []string{s.options.Python, s.options.Script, "--JOB_NAME", r.Job, "--JOB_RUN_ID", r.ID}
	names := make([]string, 0, len(merged))
	for name := range merged {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		argv = append(argv, name, merged[name])
	}
	return argv
}
