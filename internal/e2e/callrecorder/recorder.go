package callrecorder

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/recflow/recflow/internal/e2e/iam"
)

// maxBody limits how much of a call is read to find its resource: Kinesis accepts
// 10 MiB of records, a third more as base64.
const maxBody = 16 << 20

// Options configures a recorder.
type Options struct {
	Component string // component that makes the calls
	Account   string // AWS account of the ARNs

	// Upstream returns the URL of a service by its signing name, such as kinesis.
	// It is called for each request: an endpoint may start later.
	Upstream func(service string) (string, error)

	Record func(iam.Call) // called for each permission that a call needs, from many goroutines
}

// New returns a recording proxy. Set its URL as the component's endpoint of every
// service.
func New(o Options) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		ErrorLog:  slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // the caller gets the 502
		Rewrite: func(p *httputil.ProxyRequest) {
			to := p.In.Context().Value(upstreamKey{}).(*url.URL)
			p.Out.URL.Scheme, p.Out.URL.Host = to.Scheme, to.Host
			p.Out.URL.RawQuery = p.In.URL.RawQuery // as it was signed; Host is unchanged too
			p.Out.Header.Set("X-Forwarded-Proto", "https")
		},
		ModifyResponse: func(resp *http.Response) error {
			c := resp.Request.Context().Value(callKey{}).(*call)
			for _, r := range c.needed(resp.StatusCode) {
				o.Record(iam.Call{Component: o.Component, Request: r})
			}
			return nil
		},
	}
	return &recorder{o, proxy}
}

type (
	recorder struct {
		options Options
		proxy   *httputil.ReverseProxy
	}
	upstreamKey struct{}
	callKey     struct{}
)

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	c, err := r.read(req)
	if err == nil {
		err = c.classify()
	}
	if err != nil {
		r.options.Record(iam.Call{Component: r.options.Component, Problem: fmt.Sprintf("%s %s: %v", req.Method, req.URL.Path, err)})
	}
	if c == nil {
		http.Error(w, "unknown service for this call", http.StatusBadGateway)
		return
	}
	to, err := r.options.Upstream(c.service)
	if err == nil {
		var u *url.URL
		if u, err = url.Parse(to); err == nil {
			r.proxy.ServeHTTP(w, req.WithContext(with(req.Context(), u, c)))
			return
		}
	}
	r.options.Record(iam.Call{Component: r.options.Component, Problem: fmt.Sprintf("find the endpoint of %s: %v", c.service, err)})
	http.Error(w, "no endpoint for "+c.service, http.StatusBadGateway)
}

// read parses the parts of a request that identify its operation.
func (r *recorder) read(req *http.Request) (*call, error) {
	c := &call{account: r.options.Account, method: req.Method, path: req.URL.Path, query: req.URL.Query(), header: req.Header}
	var err error
	if c.region, c.service, err = scope(req.Header.Get("Authorization")); err != nil {
		return nil, err
	}
	if c.service == "s3" && !c.query.Has("delete") {
		return c, nil // objects may be large, and their content is irrelevant
	}
	if c.body, err = io.ReadAll(io.LimitReader(req.Body, maxBody+1)); err != nil {
		return c, err
	}
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(c.body), req.Body), req.Body}
	if len(c.body) > maxBody {
		return c, fmt.Errorf("the body is larger than %d bytes", maxBody)
	}
	return c, nil
}

// scope returns region and service from a version 4 signature.
func scope(authorization string) (region, service string, err error) {
	_, rest, ok := strings.Cut(authorization, "Credential=")
	credential, _, _ := strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(credential), "/")
	if !ok || len(parts) != 5 {
		return "", "", fmt.Errorf("the call has no signature of version 4")
	}
	return parts[2], parts[3], nil
}
