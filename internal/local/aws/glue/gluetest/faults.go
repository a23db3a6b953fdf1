package gluetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/recflow/recflow/internal/harnesstest"
)

// Faults injects faults between the client and the endpoint. The test logs their
// count and fails if a requested fault never occurred.
type Faults struct {
	t      testing.TB
	mu     sync.Mutex
	calls  map[string]int
	faults []*fault
	counts *harnesstest.Faults // nil until a fault is requested
}

// fault applies to one call, the one that decrements left to zero.
type fault struct {
	operation string
	left      int
	lose      bool   // carry the call out, then drop the connection
	status    int    // respond with this and kind, without carrying it out
	kind      string // e.g. ThrottlingException
}

// String is the kind under which the fault is counted.
func (f *fault) String() string {
	if f.lose {
		return f.operation + ": answer lost"
	}
	return f.operation + ": " + f.kind
}

// LoseAnswer drops the response of the nth call of an operation from now (1: the
// next): the connection breaks after the endpoint has carried it out.
func (f *Faults) LoseAnswer(operation string, nth int) {
	f.add(&fault{operation: operation, left: nth, lose: true})
}

// Refuse makes the nth call of an operation from now fail with an HTTP status and
// an AWS error name, without reaching the endpoint.
func (f *Faults) Refuse(operation string, nth, status int, kind string) {
	f.add(&fault{operation: operation, left: nth, status: status, kind: kind})
}

// Calls returns the number of calls of an operation received, including SDK
// retries.
func (f *Faults) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

func (f *Faults) add(one *fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, one)
	if f.counts == nil {
		f.counts = harnesstest.CountFaults(f.t)
	}
	f.counts.Promise(one.String())
}

// next counts a call and returns the fault that applies to it, if any.
func (f *Faults) next(operation string) *fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[operation]++
	var due *fault
	for _, one := range f.faults {
		if one.operation != operation {
			continue
		}
		if one.left--; one.left == 0 && due == nil {
			due = one
			f.counts.Inject(one.String())
		}
	}
	return due
}

// wrap serves the current server of e with the faults applied.
func (f *Faults) wrap(e *Endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
		due := f.next(operation)
		f.mu.Lock()
		server := e.server
		f.mu.Unlock()
		switch {
		case due == nil:
			server.Handler().ServeHTTP(w, req)
		case due.lose:
			server.Handler().ServeHTTP(httptest.NewRecorder(), req)
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
			w.WriteHeader(due.status)
			json.NewEncoder(w).Encode(map[string]string{"__type": due.kind, "Message": "injected fault"})
		}
	})
}
