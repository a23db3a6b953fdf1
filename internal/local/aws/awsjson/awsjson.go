// Package awsjson is AWS's JSON 1.1 protocol over HTTP, as far as the stand-ins
// need it: a POST whose X-Amz-Target names the operation, an answer of the same
// content type, errors with __type and a message. It serves programs of this
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

// Names of errors that every service has.
const (
	InternalFailure    = "InternalServiceException" // with status 500
	ServiceUnavailable = "ServiceUnavailableException"
	Serialization      = "SerializationException"
	UnknownOperation   = "UnknownOperationException"
)

// Error is an answer that is not a result.
type Error struct{ Kind, Message string }

func (e *Error) Error() string { return e.Kind + ": " + e.Message }

// Refuse makes an Error.
func Refuse(kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Operation answers one call, given its body.
type Operation func(body []byte) (any, error)

// Decoded makes an Operation of a function on the decoded body.
func Decoded[In, Out any](handle func(In) (Out, error)) Operation {
	return func(body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, Refuse(Serialization, "the request is not what it should be: %v", err)
		}
		return handle(in)
	}
}

// Service is what a stand-in offers.
type Service struct {
	Name       string // for messages
	Target     string // what X-Amz-Target begins with, with its dot
	MaxBody    int64  // bytes of one request
	TooLarge   string // the error of a larger one
	Operations map[string]Operation
	Log        *slog.Logger
}

// Handler answers calls of the AWS SDK.
func (s Service) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		result, err := s.serve(w, req)
		s.answer(w, result, err)
	})
}

func (s Service) serve(w http.ResponseWriter, req *http.Request) (any, error) {
	// A web page cannot send this content type to another origin, and a name that
	// was made to resolve to 127.0.0.1 is not a loopback host: nothing but a
	// program on this machine gets in.
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
			s.Log.Error("a call failed", "error", err)
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

// CheckLoopback refuses an address that other machines could reach: whoever can
// call a stand-in can do what it does.
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
