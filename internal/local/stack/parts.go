package stack

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

// parts lists the parts of the stack in stages: the parts of a stage start
// concurrently and depend only on earlier stages.
func parts(o Options) [][]Part {
	return [][]Part{
		{newPostgres(o), newS3(o), newTemporal(o)},
		{newGlue(o), newWorker(o), newFirehose(o), newAPI(o)},
		{newStream(o)},
	}
}

// program is a part that is a single process.
type program struct {
	process.Process
	ports   []int
	address string
	ready   func(context.Context) error
	prepare func(context.Context) error // may be nil
}

func (p *program) Name() string                    { return p.Process.Name }
func (p *program) Ports() []int                    { return p.ports }
func (p *program) Address() string                 { return p.address }
func (p *program) Proc() *process.Process          { return &p.Process }
func (p *program) Start(context.Context) error     { return p.Process.Start() }
func (p *program) Ready(ctx context.Context) error { return p.ready(ctx) }

func (p *program) Prepare(ctx context.Context) error {
	if p.prepare == nil {
		return nil
	}
	return p.prepare(ctx)
}

// accepts probes a TCP port on the loopback address.
func accepts(ctx context.Context, port int) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", loopback(port))
	if err != nil {
		return err
	}
	return conn.Close()
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// notReady is the result of a probe while a part starts.
func notReady(format string, args ...any) error { return fmt.Errorf("not ready: "+format, args...) }
