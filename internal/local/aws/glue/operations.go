package glue

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

const (
	maxPage     = 200       // runs per response, AWS's limit and default
	maxStops    = 25        // IDs per BatchStopJobRun call, AWS's limit
	maxArgument = 100 << 10 // bytes of a name or value; the Linux limit is 128 KiB
)

func (s *Server) startJobRun(in startJobRunInput) (startJobRunOutput, error) {
	var none startJobRunOutput
	if err := s.checkJob(in.JobName); err != nil {
		return none, err
	}
	if in.JobRunID != "" {
		return none, refuse(invalidInput, "retrying an earlier run is not supported here")
	}
	if err := checkArguments(in.Arguments); err != nil {
		return none, err
	}
	timeout := s.options.Job.Timeout
	if in.Timeout != nil {
		timeout = time.Duration(*in.Timeout) * time.Minute
		if timeout <= 0 || timeout > maxTimeout {
			return none, refuse(invalidInput, "Timeout is %d minutes; use 1 to %d", *in.Timeout, int(maxTimeout.Minutes()))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return none, refuse(awsjson.InternalFailure, "the local Glue endpoint is shutting down")
	}
	underWay := 0
	for _, r := range s.runs {
		if !r.State.over() {
			underWay++
		}
	}
	if underWay >= s.options.Job.MaxConcurrentRuns {
		return none, refuse(concurrentRunsExceeded, "Concurrent runs exceeded for %s", in.JobName)
	}
	r, err := s.start(in.Arguments, timeout)
	if err != nil {
		return none, err
	}
	return startJobRunOutput{JobRunID: r.ID}, nil
}

func (s *Server) getJobRun(in getJobRunInput) (getJobRunOutput, error) {
	if err := s.checkJob(in.JobName); err != nil {
		return getJobRunOutput{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(in.RunID)
	if r == nil {
		return getJobRunOutput{}, refuse(entityNotFound, "Job run not found: %s", in.RunID)
	}
	return getJobRunOutput{JobRun: r.shape(now())}, nil
}

// getJobRuns pages by the ID of the last run of a page, so that runs started
// between pages do not move the others.
func (s *Server) getJobRuns(in getJobRunsInput) (getJobRunsOutput, error) {
	var none getJobRunsOutput
	if err := s.checkJob(in.JobName); err != nil {
		return none, err
	}
	size := maxPage
	if in.MaxResults != nil {
		if size = int(*in.MaxResults); size < 1 || size > maxPage {
			return none, refuse(invalidInput, "MaxResults is %d; use 1 to %d", size, maxPage)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	end := len(s.runs) // runs before this index are still to be listed
	if in.NextToken != "" {
		last, err := base64.URLEncoding.DecodeString(in.NextToken)
		end = slices.IndexFunc(s.runs, func(r *run) bool { return r.ID == string(last) })
		if err != nil || end < 0 {
			return none, refuse(invalidInput, "NextToken is invalid")
		}
	}
	at, out := now(), getJobRunsOutput{JobRuns: []jobRun{}}
	for end > 0 && len(out.JobRuns) < size {
		end--
		out.JobRuns = append(out.JobRuns, s.runs[end].shape(at))
	}
	if end > 0 {
		out.NextToken = base64.URLEncoding.EncodeToString([]byte(s.runs[end].ID))
	}
	return out, nil
}

func (s *Server) batchStopJobRun(in batchStopJobRunInput) (batchStopJobRunOutput, error) {
	var out batchStopJobRunOutput
	if err := s.checkJob(in.JobName); err != nil {
		return out, err
	}
	if n := len(in.JobRunIDs); n < 1 || n > maxStops {
		return out, refuse(invalidInput, "JobRunIds has %d ids; use 1 to %d", n, maxStops)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range in.JobRunIDs {
		var detail errorDetail
		switch r := s.find(id); {
		case r == nil:
			detail = errorDetail{entityNotFound, "Job run not found: " + id}
		case r.State.over():
			detail = errorDetail{invalidInput, fmt.Sprintf("Job run %s is %s already", id, r.State)}
		default:
			s.beginStop(r, Stopped, "")
			out.SuccessfulSubmissions = append(out.SuccessfulSubmissions, stopSubmission{in.JobName, id})
			continue
		}
		out.Errors = append(out.Errors, stopError{in.JobName, id, detail})
	}
	return out, nil
}

func (s *Server) getJob(in getJobInput) (getJobOutput, error) {
	if err := s.checkJob(in.JobName); err != nil {
		return getJobOutput{}, err
	}
	j := s.options.Job
	return getJobOutput{Job: job{
		Name:              j.Name,
		Command:           jobCommand{Name: "glueetl", ScriptLocation: s.options.Script, PythonVersion: "3"},
		DefaultArguments:  j.DefaultArguments,
		ExecutionProperty: executionProperty{MaxConcurrentRuns: j.MaxConcurrentRuns},
		GlueVersion:       glueVersion,
		Timeout:           minutes(j.Timeout),
	}}, nil
}

func (s *Server) checkJob(name string) error {
	switch name {
	case s.options.Job.Name:
		return nil
	case "":
		return refuse(invalidInput, "JobName is missing")
	}
	return refuse(entityNotFound, "Job %s not found", name)
}

func checkArguments(arguments map[string]string) error {
	for name, value := range arguments {
		if name == "" || strings.ContainsRune(name+value, 0) {
			return refuse(invalidInput, "argument %q has no name, or contains a zero byte", name)
		}
		if max(len(name), len(value)) > maxArgument {
			return refuse(invalidInput, "an argument is longer than %d bytes", maxArgument)
		}
	}
	return nil
}
