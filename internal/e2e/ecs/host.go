package ecs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// target is the prefix of X-Amz-Target in calls of ECS.
const target = "AmazonEC2ContainerServiceV20141113."

// maxBody limits the size of a call and of its response, in bytes.
const maxBody = 4 << 20

// Options configures a Host. Every field but Log is required.
type Options struct {
	Upstream string // URL of the emulator
	Region   string

	// Root may read task definitions and change services.
	Root aws.Credentials
	// SignIn returns the credentials of a role.
	SignIn func(ctx context.Context, roleARN string) (aws.Credentials, error)
	// Pull returns an image for this machine by its name in a task definition.
	Pull func(ctx context.Context, image string) (v1.Image, error)
	// Place changes the variables of a container so that it works on this machine.
	// root is the directory of its image.
	Place func(container, root string, vars map[string]string) error

	Dir string // of images and logs
	Log *slog.Logger
}

// Host runs the tasks.
type Host struct {
	options Options
	proxy   http.Handler
	client  *awsecs.Client
	scaling *scaling
	ctx     context.Context // for everything that outlives a call
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu       sync.Mutex
	tasks    map[string]*task    // by ARN, those of RunTask
	services map[string]*service // by ARN
}

// New returns a host that serves until Close.
func New(o Options) (*Host, error) {
	upstream, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &Host{options: o, ctx: ctx, cancel: cancel, tasks: map[string]*task{}, services: map[string]*service{}}
	h.client = awsecs.NewFromConfig(h.as(o.Root))
	h.scaling = newScaling(h)
	h.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.Out.Host = r.In.Host // it is signed
		r.Out.Header.Set("X-Forwarded-Proto", "https")
	}}
	return h, nil
}

// as are the settings of clients of the emulator.
func (h *Host) as(c aws.Credentials) aws.Config {
	return aws.Config{Region: h.options.Region, BaseEndpoint: &h.options.Upstream, Credentials: credentials.StaticCredentialsProvider{Value: c}}
}

// Close stops every task. No new task starts.
func (h *Host) Close() {
	h.cancel()
	h.mu.Lock()
	tasks := make([]*task, 0, len(h.tasks)+len(h.services))
	for _, t := range h.tasks {
		tasks = append(tasks, t)
	}
	for _, s := range h.services {
		if t := s.current(); t != nil {
			tasks = append(tasks, t)
		}
	}
	h.mu.Unlock()
	for _, t := range tasks {
		t.stop()
	}
	h.running.Wait()
}

// ServeHTTP handles a call of an AWS SDK.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch name := r.Header.Get("X-Amz-Target"); {
	case strings.HasPrefix(name, scalingTarget):
		h.scaling.ServeHTTP(w, r)
	case strings.HasPrefix(name, target):
		h.call(w, r, strings.TrimPrefix(name, target))
	default:
		h.proxy.ServeHTTP(w, r)
	}
}

// call forwards an ECS call, carries it out, and updates the response with the
// actual state.
func (h *Host) call(w http.ResponseWriter, r *http.Request, operation string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &recorded{header: http.Header{}, status: http.StatusOK}
	h.proxy.ServeHTTP(answer, r)
	out := answer.body.Bytes()
	if answer.status == http.StatusOK {
		if changed, err := h.act(operation, body, out); err != nil {
			h.options.Log.Error("failed to apply a call", "operation", operation, "error", err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		} else if changed != nil {
			out = changed
		}
	}
	for name, values := range answer.header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(out)
}

// act returns a changed response, or nil.
func (h *Host) act(operation string, request, answer []byte) ([]byte, error) {
	switch operation {
	case "RunTask":
		return nil, h.runTask(request, answer)
	case "DescribeTasks":
		return edited(answer, "tasks", h.describeTask)
	case "CreateService", "UpdateService":
		var out struct{ Service state }
		if err := json.Unmarshal(answer, &out); err != nil {
			return nil, err
		}
		h.reconcile(out.Service)
	case "DeleteService":
		var out struct{ Service state }
		if err := json.Unmarshal(answer, &out); err != nil {
			return nil, err
		}
		out.Service.DesiredCount = 0
		h.reconcile(out.Service)
	case "DescribeServices":
		return edited(answer, "services", h.describeService)
	}
	return nil, nil
}

// edited applies edit to each element of a list in a response.
func edited(answer []byte, list string, edit func(map[string]any)) ([]byte, error) {
	var out map[string]any
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("read the emulator's response: %w", err)
	}
	elements, _ := out[list].([]any)
	for _, e := range elements {
		if m, ok := e.(map[string]any); ok {
			edit(m)
		}
	}
	return json.Marshal(out)
}

// recorded is a response that is inspected before it is sent.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) WriteHeader(status int)      { r.status = status }
func (r *recorded) Write(p []byte) (int, error) { return r.body.Write(p) }
