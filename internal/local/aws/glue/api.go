package glue

import (
	"net/http"

	"github.com/recflow/recflow/internal/local/aws/awsjson"
)

// Names of errors, as AWS documents them.
const (
	entityNotFound         = "EntityNotFoundException"
	invalidInput           = "InvalidInputException"
	concurrentRunsExceeded = "ConcurrentRunsExceededException"
)

var refuse = awsjson.Refuse

// Handler answers calls of the AWS SDK. It is usable without Run.
func (s *Server) Handler() http.Handler {
	return awsjson.Service{
		Name: "Glue", Target: "AWSGlue.", MaxBody: 1 << 20, TooLarge: invalidInput, Log: s.options.Log,
		Operations: map[string]awsjson.Operation{
			"StartJobRun":     awsjson.Decoded(s.startJobRun),
			"GetJobRun":       awsjson.Decoded(s.getJobRun),
			"GetJobRuns":      awsjson.Decoded(s.getJobRuns),
			"BatchStopJobRun": awsjson.Decoded(s.batchStopJobRun),
			"GetJob":          awsjson.Decoded(s.getJob),
		},
	}.Handler()
}
