// Package awsjson implements the AWS JSON 1.1 protocol over HTTP for the local
// emulators: a POST whose X-Amz-Target names the operation, a response of the same
// content type, and errors with __type and a message. It serves clients on this
// machine only.
package awsjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
)

const contentType = "application/x-amz-json-1.1"

// Error names common to all services.
const (
	InternalFailure    = "InternalServiceException" // with status 500
	ServiceUnavailable = "ServiceUnavailableException"
	Serialization      = "SerializationException"
	UnknownOperation   = "UnknownOperationException"
)

// Error is an error response.
type Error struct{ Kind, Message string }

func (e *Error) Error() string { return e.Kind + ": " + e.Message }

// Refuse returns an Error.
func Refuse(kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Operation handles one call, given its body.
type Operation func(body []byte) (any, error)

// Decoded returns an Operation for a function that takes the decoded body.
func Decoded[In, Out any](handle func(In) (Out, error)) Operation {
	return func(body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, Refuse(Serialization, "the request is invalid: %v", err)
		}
		return handle(in)
	}
}

// Service is the set of operations of an emulator.
type Service struct {
	Name       string // for messages
	Target     string // prefix of X-Amz-Target, including its dot
	MaxBody    int64  // maximum size of a request, in bytes
	TooLarge   string // error for a larger one
	Operations map[string]Operation
	Log        *slog.Logger
}

// Handler returns the HTTP handler for calls of the AWS SDK.
func (s Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		result, err := s.serve(w, req)
		s.answer(w, result, err)
	})
}

func (s Service) serve(w http.ResponseWriter, req *http.Request) (any, error) {
	// A web page cannot send this content type to another origin, and a name that
	// resolves to 127.0.0.1 is not accepted as a loopback host: only programs on
	// this machine can connect.
	kind, _, _ := strings.Cut(req.Header.Get("Content-Type"), ";")
	if req.Method != http.MethodPost || strings.TrimSpace(kind) != contentType || checkHost(req.Host) != nil {
		return nil, Refuse(UnknownOperation, "send a POST of %s to a loopback address", contentType)
	}
	name, ours := strings.CutPrefix(req.Header.Get("X-Amz-Target"), s.Target)
	operation, known := s.Operations[name]
	if !ours || !known {
		return nil, Refuse(UnknownOperation, "the local %s endpoint does not know %q", s.Name, req.Header.Get("X-Amz-Target"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, s.MaxBody))
	if err != nil {
		return nil, Refuse(s.TooLarge, "read the request: %v", err)
	}
	return operation(body)
}

func (s Service) answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	if err != nil {
		var refused *Error
		if !errors.As(err, &refused) {
			s.Log.Error("call failed", "error", err)
			refused = &Error{InternalFailure, err.Error()}
		}
		switch refused.Kind {
		case InternalFailure, "InternalFailure":
			status = http.StatusInternalServerError
		case ServiceUnavailable:
			status = http.StatusServiceUnavailable
		default:
			status = http.StatusBadRequest
		}
		result = map[string]string{"__type": refused.Kind, "Message": refused.Message}
		w.Header().Set("X-Amzn-ErrorType", refused.Kind)
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(result)
}

// checkHost accepts a loopback address with or without a port.
func checkHost(host string) error {
	if CheckLoopback(host) == nil {
		return nil
	}
	return CheckLoopback(strings.Trim(host, "[]") + ":80")
}

// CheckLoopback rejects an address that other machines can reach, because anyone
// who can call an emulator can do what it does.
func CheckLoopback(hostport string) error {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not a loopback address", hostport)
}
