package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

// newStream is the stream's function with its Lambda environments and event source
// mapping, run by a hidden command of this binary. It finishes the current batch
// before it stops.
func newStream(o Options) Part {
	port := o.Settings.Ports.Stream
	return &program{
		Process: process.Process{
			Name: "stream", Home: o.Home, Grace: 45 * time.Second, Vars: o.Settings.PartEnv(o.Home, "stream"),
			Args: []string{o.Programs.Recflow, "local", "stream", "--port", fmt.Sprint(port), "--function", o.Programs.Lambda},
			Uses: []string{o.Programs.Lambda},
		},
		ports:   []int{port},
		address: "Kinesis stream " + o.Settings.Env(o.Home)["RECFLOW_STREAM"],
		ready:   func(ctx context.Context) error { return streamRuns(ctx, port) },
	}
}

// streamRuns queries the mapping's status and checks that it reads the stream.
func streamRuns(ctx context.Context, port int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(port)+"/status", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var status struct {
		State     string `json:"state"`
		LastError string `json:"last_error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return err
	}
	if status.State != "running" {
		return notReady("the mapping is %s; %s", status.State, status.LastError)
	}
	return nil
}
