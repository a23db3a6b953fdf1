package lambda

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

const version = "/2018-06-01/runtime"

// api is the Runtime API of one environment.
func (e *environment) api() http.Handler {
	mux := http.NewServeMux()
	var first sync.Once
	mux.HandleFunc("GET "+version+"/invocation/next", func(w http.ResponseWriter, req *http.Request) {
		first.Do(func() { close(e.asked) })
		select {
		case inv := <-e.next:
			e.hand(w, inv)
		case <-req.Context().Done():
		}
	})
	mux.HandleFunc("POST "+version+"/invocation/{id}/response", func(w http.ResponseWriter, req *http.Request) {
		e.answer(w, req, "")
	})
	mux.HandleFunc("POST "+version+"/invocation/{id}/error", func(w http.ResponseWriter, req *http.Request) {
		e.answer(w, req, Unhandled)
	})
	mux.HandleFunc("POST "+version+"/init/error", func(w http.ResponseWriter, req *http.Request) {
		reason, _ := io.ReadAll(io.LimitReader(req.Body, 1<<16)) // output read before an error is used
		select {
		case e.failed <- reason:
		default:
		}
		accept(w)
	})
	return mux
}

// hand passes an invocation to the process.
func (e *environment) hand(w http.ResponseWriter, inv *invocation) {
	e.mu.Lock()
	e.current = inv
	e.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", e.host.ARN())
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0")
	w.Write(inv.payload) //nolint:errcheck // the process has ended; run notices
}

// answer receives the result of the current invocation.
func (e *environment) answer(w http.ResponseWriter, req *http.Request, functionError string) {
	e.mu.Lock()
	inv := e.current
	if inv == nil || inv.id != req.PathValue("id") {
		e.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"errorType":"InvalidRequestID","errorMessage":"no such invocation is in progress"}`) //nolint:errcheck // the process has ended
		return
	}
	e.current = nil
	e.mu.Unlock()
	result, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxPayload))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		inv.done <- outcome{functionError: Unhandled,
			result: failure("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		inv.done <- outcome{functionError: Unhandled, result: failure("Runtime.TruncatedResponse", "the response ended early")}
		return
	}
	accept(w)
	inv.done <- outcome{result: result, functionError: functionError}
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`) //nolint:errcheck // the process has ended
}
