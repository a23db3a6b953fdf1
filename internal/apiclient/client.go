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

// Options say how to reach the API.
type Options struct {
	URL   string // http://127.0.0.1:14570
	Token string // empty where none is needed
}

// Client calls the API. It is safe for concurrent use.
type Client struct {
	options Options
	http    *http.Client
}

// New makes a Client.
func New(o Options) *Client {
	o.URL = strings.TrimSuffix(o.URL, "/")
	return &Client{options: o, http: &http.Client{
		Timeout: 2 * time.Minute, // longer than the longest poll
		// Another address may be anybody's: the token stays here.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// mostAnswer bounds an answer, in bytes.
const mostAnswer = 64 << 20

// Do sends a request, decodes its answer and returns the answer's headers. body
// and answer may be nil. What the API refuses comes back as a *Problem.
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
	data, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil {
		return resp.Header, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return resp.Header, problemOf(resp, data)
	}
	if answer == nil || len(data) == 0 {
		return resp.Header, nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return resp.Header, fmt.Errorf("%s %s: understand the answer: %w", method, path, err)
	}
	return resp.Header, nil
}

// segment is an id as one segment of a path. The dot segments are escaped, because
// proxies remove them (RFC 3986, section 5.2.4).
func segment(id string) string {
	if id == "." || id == ".." {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}

// Unreachable says that nothing answers at the address of the API.
type Unreachable struct {
	URL string
	Err error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("the API at %s does not answer: %v", u.URL, u.Err)
}
func (u *Unreachable) Unwrap() error { return u.Err }

// problemOf is the problem in an answer, also when something in between wrote it.
func problemOf(resp *http.Response, data []byte) *Problem {
	p := &Problem{}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != ProblemType || json.Unmarshal(data, p) != nil || p.Status == 0 {
		p = &Problem{Code: "unexpected", Detail: "the API answered " + resp.Status}
	}
	p.Status = resp.StatusCode
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return p
}
