package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options configures a Client.
type Options struct {
	URL   string // for example http://127.0.0.1:14570
	Token string // may be empty if the API requires none
}

// Client calls the API. It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client
}

// idleConns lets concurrent calls reuse connections; the default is 2.
const idleConns = 64

// New returns a Client.
func New(o Options) *Client {
	o.URL = strings.TrimSuffix(o.URL, "/")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = idleConns
	return &Client{options: o, http: &http.Client{
		Transport: transport,
		Timeout:   2 * time.Minute, // longer than the longest long poll
		// Another address may not be trusted with the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// maxResponse limits the size of a response, in bytes.
const maxResponse = 64 << 20

// Do sends a request, decodes its response and returns the response headers.
// body and answer may be nil. A refused request returns a *Problem.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, header http.Header, body, answer any) (http.Header, error) {
	address := c.options.URL + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, "+ProblemType)
	if c.options.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Unreachable{URL: c.options.URL, Err: err}
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return resp.Header, fmt.Errorf("%s %s: read the response: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return resp.Header, problemOf(resp, data)
	}
	if answer == nil || len(data) == 0 {
		return resp.Header, nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return resp.Header, fmt.Errorf("%s %s: decode the response: %w", method, path, err)
	}
	return resp.Header, nil
}

// segment escapes an id for use as one path segment, including dot segments,
// which proxies would remove (RFC 3986, section 5.2.4).
func segment(id string) string {
	if id == "." || id == ".." {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}

// Unreachable is the error of an API that does not respond.
type Unreachable struct {
	URL string
	Err error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("the API at %s is unreachable: %v", u.URL, u.Err)
}
func (u *Unreachable) Unwrap() error { return u.Err }

// problemOf returns the problem in a response, even if a proxy wrote the
// response.
func problemOf(resp *http.Response, data []byte) *Problem {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != ProblemType || json.Unmarshal(data, p) != nil || p.Status == 0 {
		p = &Problem{Code: "unexpected", Detail: "the API responded with " + resp.Status}
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
