package stack

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/internal/local/process"
)

// newTemporal is the Temporal dev server: the real server on SQLite, with its UI.
func newTemporal(o Options) Part {
	ports := o.Settings.Ports
	args := []string{
		o.Tools.Temporal, "server", "start-dev",
		"--ip", "127.0.0.1", "--port", fmt.Sprint(ports.Temporal), "--ui-port", fmt.Sprint(ports.TemporalUI),
		"--db-filename", filepath.Join(o.Home, "temporal.db"),
		"--namespace", Namespace,
		"--log-level", "warn", "--color", "never",
		"--disable-config-file", "--disable-config-env",
	}
	for _, name := range slices.Sorted(maps.Keys(SearchAttributes)) {
		args = append(args, "--search-attribute", name+"="+SearchAttributes[name])
	}
	return &program{
		Process: process.Process{Name: "temporal", Home: o.Home, Args: args, Grace: 15 * time.Second},
		ports:   []int{ports.Temporal, ports.TemporalUI},
		address: "http://" + loopback(ports.TemporalUI),
		ready: func(ctx context.Context) error {
			if err := accepts(ctx, ports.TemporalUI); err != nil {
				return err
			}
			return temporalServes(ctx, ports.Temporal)
		},
	}
}

// temporalServes checks that the server responds and has the namespace and the
// search attributes.
func temporalServes(ctx context.Context, port int) error {
	c, err := dialTemporal(ctx, port)
	if err != nil {
		return err
	}
	defer c.Close()
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: Namespace})
	if err != nil {
		return err
	}
	for name := range SearchAttributes {
		if _, ok := known.CustomAttributes[name]; !ok {
			return notReady("no search attribute %s", name)
		}
	}
	return nil
}

func dialTemporal(ctx context.Context, port int) (client.Client, error) {
	return client.DialContext(ctx, client.Options{
		HostPort: loopback(port), Namespace: Namespace, Logger: slog.New(slog.DiscardHandler),
	})
}
