// Package faultproxy is a proxy between a component and an AWS emulator that makes a
// share of the calls fail: refused as the service refuses them, carried out while
// the answer is lost, or late. Other calls are unchanged.
package faultproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Fault is what happens to a call.
type Fault string

// The faults.
const (
	Refused Fault = "refused"     // an error of the service; the call is not carried out
	Lost    Fault = "answer lost" // the call is carried out, and its connection closed
	Late    Fault = "late"        // the call is carried out after MaxDelay or less
)

// MaxDelay is the longest delay of a late call.
const MaxDelay = 2 * time.Second

// Proxy forwards calls to an emulator. It is an http.Handler and safe for concurrent
// use.
type Proxy struct {
	forward  *httputil.ReverseProxy
	injected func(Fault)

	mu     sync.Mutex
	random *rand.Rand
	share  map[Fault]float64
}

// New returns a proxy to the URL of an emulator. It calls injected for every fault
// where it takes effect.
func New(emulator string, seed uint64, injected func(Fault)) (*Proxy, error) {
	target, err := url.Parse(emulator)
	if err != nil {
		return nil, fmt.Errorf("parse the emulator's URL: %w", err)
	}
	p := &Proxy{
		forward: httputil.NewSingleHostReverseProxy(target), injected: injected,
		random: rand.New(rand.NewPCG(seed, 0)), share: map[Fault]float64{},
	}
	p.forward.ModifyResponse = func(*http.Response) error {
		if !p.fails(Lost) {
			return nil
		}
		injected(Lost)
		return errors.New("injected: answer lost")
	}
	// An unreachable emulator looks like a lost answer too.
	p.forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return p, nil
}

// Set makes a share of the calls fail, from 0 to 1.
func (p *Proxy) Set(f Fault, share float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.share[f] = share
}

// ServeHTTP forwards a call, unless it is refused.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.fails(Refused) {
		p.injected(Refused)
		refuse(w, r)
		return
	}
	if p.fails(Late) {
		p.injected(Late)
		select {
		case <-r.Context().Done():
			return
		case <-time.After(p.delay()):
		}
	}
	p.forward.ServeHTTP(w, r)
}

func (p *Proxy) fails(f Fault) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.Float64() < p.share[f]
}

func (p *Proxy) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.random.Int64N(int64(MaxDelay)))
}

// refuse answers as an overloaded service does: S3 in XML, the others in the JSON
// protocol.
func refuse(w http.ResponseWriter, r *http.Request) {
	service, _, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case !isJSON:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
	case strings.HasPrefix(service, "Kinesis"):
		refuseJSON(w, http.StatusBadRequest, "ProvisionedThroughputExceededException")
	default:
		refuseJSON(w, http.StatusServiceUnavailable, "ServiceUnavailableException")
	}
}

func refuseJSON(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":"injected"}`, code)
}
