// Command events measures POST /events: events per second of several callers that
// send batches of 500, with a Kinesis that accepts everything.
//
//	go run ./bench/events
//	go run ./bench/events -profile events.pprof && go tool pprof -top events.pprof
//
// It runs its own Postgres, API and Kinesis, without throughput limits, on one
// machine. Each row has another number of users in a batch and another latency of a
// call to Kinesis: at most one event of a user is in a call, so a batch with fewer
// users takes more calls.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/recflow/recflow/bench/internal/apiprocess"
	"github.com/recflow/recflow/bench/internal/setup"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/local/pgserver"
	"github.com/recflow/recflow/internal/recsys"
)

// batchEvents is the number of events in a request.
const batchEvents = 500

type options struct {
	callers, batches int
	profile          string
}

func main() {
	var o options
	flag.IntVar(&o.callers, "callers", 4, "concurrent callers")
	flag.IntVar(&o.batches, "batches", 100, "batches of 500 events in each row")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the API to this file, for go tool pprof")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "events:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) (err error) {
	binary, remove, err := apiprocess.Build(ctx, o.profile != "")
	if err != nil {
		return err
	}
	defer remove()
	dir, err := os.MkdirTemp("", "recflow-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := setup.Postgres(ctx, dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(context.WithoutCancel(ctx), pgserver.Immediate)) }()
	stream := newStream()
	defer stream.Close()
	url, stop, err := apiprocess.Start(ctx, apiprocess.Options{
		Binary: binary, Database: server.URL(setup.Database), Profile: o.profile, NoIndex: true, Env: stream.env(),
	})
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("%d callers, batches of %d events\n\n%-12s %-12s %10s %10s %10s %10s\n",
		o.callers, batchEvents, "users/batch", "a put takes", "events/s", "p50 ms", "p95 ms", "puts/batch")
	for _, row := range []struct {
		users   int
		latency time.Duration
	}{{batchEvents, 0}, {batchEvents, 10 * time.Millisecond}, {50, 0}, {50, 10 * time.Millisecond}} {
		if err := o.measure(ctx, url, stream, row.users, row.latency); err != nil {
			return err
		}
	}
	return nil
}

// measure sends the batches of one row and prints it.
func (o options) measure(ctx context.Context, url string, stream *stream, users int, latency time.Duration) error {
	bodies := make([][]byte, o.batches)
	for i := range bodies {
		bodies[i] = newBatch(users)
	}
	stream.latency.Store(int64(latency))
	for i := range o.callers { // opens connections
		if err := send(ctx, url, bodies[i%len(bodies)]); err != nil {
			return err
		}
	}
	stream.puts.Store(0)
	times := make([]time.Duration, o.batches)
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for range o.callers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < len(bodies); i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := send(ctx, url, bodies[i]); err != nil {
					return err
				}
				times[i] = time.Since(began)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	took := time.Since(began)
	slices.Sort(times)
	at := func(p int) float64 { return times[(len(times)-1)*p/100].Seconds() * 1000 }
	fmt.Printf("%-12d %-12s %10.0f %10.1f %10.1f %10.1f\n", users, latency, float64(o.batches*batchEvents)/took.Seconds(), at(50), at(95),
		float64(stream.puts.Load())/float64(o.batches))
	return nil
}

// newBatch returns the body of a request with events of several users.
func newBatch(users int) []byte {
	events := make([]apiclient.NewEvent, batchEvents)
	for i := range events {
		events[i] = apiclient.NewEvent{
			EventID: uuid.NewString(), UserID: fmt.Sprintf("user-%06d", i%users), ItemID: fmt.Sprintf("item-%06d", i),
			EventType: recsys.Click, SessionID: fmt.Sprintf("session-%06d", i%users), OccurredAt: time.Now(),
		}
	}
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		panic(err) // no value is infinite
	}
	return body
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// send sends a batch and checks that all of its events were accepted.
func send(ctx context.Context, url string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/events", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if accepted := fmt.Appendf(nil, `"accepted":%d,`, batchEvents); resp.StatusCode != http.StatusAccepted || !bytes.Contains(answer, accepted) {
		return fmt.Errorf("status %d: %.500s", resp.StatusCode, answer)
	}
	return nil
}
