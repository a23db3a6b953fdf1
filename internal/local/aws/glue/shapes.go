package glue

import (
	"math"
	"time"
)

// Shapes of AWS's API, with the members that this endpoint reads or sets. Times are
// seconds since 1970 with a fraction, as in AWS JSON 1.1.

type startJobRunInput struct {
	JobName   string
	Arguments map[string]string
	Timeout   *int32 // minutes
	JobRunID  string `json:"JobRunId"`
}

type startJobRunOutput struct {
	JobRunID string `json:"JobRunId"`
}

type getJobRunInput struct {
	JobName string
	RunID   string `json:"RunId"`
}

type getJobRunOutput struct{ JobRun jobRun }

type getJobRunsInput struct {
	JobName    string
	MaxResults *int32
	NextToken  string
}

type getJobRunsOutput struct {
	JobRuns   []jobRun
	NextToken string `json:",omitempty"`
}

type batchStopJobRunInput struct {
	JobName   string
	JobRunIDs []string `json:"JobRunIds"`
}

type batchStopJobRunOutput struct {
	SuccessfulSubmissions []stopSubmission
	Errors                []stopError
}

type stopSubmission struct {
	JobName  string
	JobRunID string `json:"JobRunId"`
}

type stopError struct {
	JobName     string
	JobRunID    string `json:"JobRunId"`
	ErrorDetail errorDetail
}

type errorDetail struct{ ErrorCode, ErrorMessage string }

type getJobInput struct{ JobName string }

type getJobOutput struct{ Job job }

type job struct {
	Name              string
	Command           jobCommand
	DefaultArguments  map[string]string
	ExecutionProperty executionProperty
	GlueVersion       string
	Timeout           int32 // minutes
}

type jobCommand struct{ Name, ScriptLocation, PythonVersion string }

type executionProperty struct{ MaxConcurrentRuns int }

type jobRun struct {
	ID             string `json:"Id"`
	Attempt        int32
	JobName        string
	JobRunState    State
	Arguments      map[string]string
	StartedOn      float64
	LastModifiedOn float64
	CompletedOn    float64 `json:",omitempty"`
	ErrorMessage   string  `json:",omitempty"`
	ExecutionTime  int32   // seconds
	Timeout        int32   // minutes
	GlueVersion    string
	LogGroupName   string
}

const glueVersion = "5.0"

// shape returns the run as AWS shows it at the given time.
func (r *run) shape(at time.Time) jobRun {
	if !r.Completed.IsZero() {
		at = r.Completed
	}
	return jobRun{
		ID:             r.ID,
		JobName:        r.Job,
		JobRunState:    r.State,
		Arguments:      r.Arguments,
		StartedOn:      epoch(r.Started),
		LastModifiedOn: epoch(r.Modified),
		CompletedOn:    epoch(r.Completed),
		ErrorMessage:   r.Message,
		ExecutionTime:  int32(max(0, at.Sub(r.Started)) / time.Second),
		Timeout:        minutes(r.Timeout),
		GlueVersion:    glueVersion,
		LogGroupName:   "/aws-glue/jobs",
	}
}

func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func minutes(d time.Duration) int32 { return int32(math.Ceil(d.Minutes())) }
