package glue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	contentType = "application/x-amz-json-1.1"
	targets     = "AWSGlue."
	maxBody     = 1 << 20 // bytes of one request
)

// Names of errors, as AWS documents them.
const (
	entityNotFound         = "EntityNotFoundException"
	invalidInput           = "InvalidInputException"
	concurrentRunsExceeded = "ConcurrentRunsExceededException"
	internalService        = "InternalServiceException"
	serialization          = "SerializationException"
	unknownOperation       = "UnknownOperationException"
)

// apiError is an answer that is not a result.
type apiError struct{ kind, message string }

func (e *apiError) Error() string { return e.kind + ": " + e.message }

func refuse(kind, format string, args ...any) error {
	return &apiError{kind: kind, message: fmt.Sprintf(format, args...)}
}

// operation answers one call, given its body.
type operation func(body []byte) (any, error)

// Handler answers calls of the AWS SDK. It is usable without Run.
func (s *Server) Handler() http.Handler {
	operations := map[string]operation{
		"StartJobRun":     decoded(s.startJobRun),
		"GetJobRun":       decoded(s.getJobRun),
		"GetJobRuns":      decoded(s.getJobRuns),
		"BatchStopJobRun": decoded(s.batchStopJobRun),
		"GetJob":          decoded(s.getJob),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		result, err := serve(operations, w, req)
		s.answer(w, result, err)
	})
}

func serve(operations map[string]operation, w http.ResponseWriter, req *http.Request) (any, error) {
	// A web page cannot send this content type to another origin, and a name that
	// was made to resolve to 127.0.0.1 is not a loopback host: nothing but a
	// program on this machine gets in.
	kind, _, _ := strings.Cut(req.Header.Get("Content-Type"), ";")
	if req.Method != http.MethodPost || strings.TrimSpace(kind) != contentType || checkHost(req.Host) != nil {
		return nil, refuse(unknownOperation, "send a POST of %s to a loopback address", contentType)
	}
	name, ours := strings.CutPrefix(req.Header.Get("X-Amz-Target"), targets)
	operation, known := operations[name]
	if !ours || !known {
		return nil, refuse(unknownOperation, "the local Glue endpoint does not know %q", req.Header.Get("X-Amz-Target"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		return nil, refuse(invalidInput, "read the request: %v", err)
	}
	return operation(body)
}

// checkHost accepts a loopback address with or without a port.
func checkHost(host string) error {
	if checkLoopback(host) == nil {
		return nil
	}
	return checkLoopback(strings.Trim(host, "[]") + ":80")
}

func decoded[In, Out any](handle func(In) (Out, error)) operation {
	return func(body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, refuse(serialization, "the request is not what it should be: %v", err)
		}
		return handle(in)
	}
}

func (s *Server) answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	if err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			s.options.Log.Error("a call failed", "error", err)
			refused = &apiError{internalService, err.Error()}
		}
		status = http.StatusBadRequest
		if refused.kind == internalService {
			status = http.StatusInternalServerError
		}
		result = map[string]string{"__type": refused.kind, "Message": refused.message}
		w.Header().Set("X-Amzn-ErrorType", refused.kind)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(result)
}
