// Package localstack has the commands that run and inspect the local stack, and the
// stack's processes that are this binary.
package localstack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/stack"
	"github.com/recflow/recflow/internal/local/toolchain"
)

// IsUp reports whether any part of the local stack is running.
func IsUp(ctx context.Context, a *app.App) bool {
	s, _, err := openStack(a)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(s.Status(ctx), func(p stack.PartStatus) bool { return p.State == stack.Running })
}

// portFlags are the flags that set the ports of the parts.
type portFlags struct {
	offset int
	free   bool
	ports  stack.Ports
}

func (f *portFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.offset, "port-offset", 0, "add this to every default port (RECFLOW_PORT_OFFSET)")
	flags.BoolVar(&f.free, "free-ports", false, "choose free ports")
	flags.IntVar(&f.ports.Postgres, "postgres-port", 0, "port of Postgres")
	flags.IntVar(&f.ports.S3, "s3-port", 0, "port of the S3 emulator")
	flags.IntVar(&f.ports.Temporal, "temporal-port", 0, "port of Temporal")
	flags.IntVar(&f.ports.TemporalUI, "temporal-ui-port", 0, "port of the Temporal UI")
	flags.IntVar(&f.ports.Glue, "glue-port", 0, "port of the Glue endpoint")
	flags.IntVar(&f.ports.Firehose, "firehose-port", 0, "port of Firehose")
	flags.IntVar(&f.ports.Stream, "stream-port", 0, "port of the stream's status")
	flags.IntVar(&f.ports.API, "api-port", 0, "port of the API")
	flags.IntVar(&f.ports.APIMetrics, "api-metrics-port", 0, "port of the API's metrics")
	cmd.MarkFlagsMutuallyExclusive("port-offset", "free-ports")
}

// settings returns the home's settings, or new ones, with the requested ports. A
// home keeps its ports until they are changed.
func (f *portFlags) settings(cmd *cobra.Command, local config.Local) (stack.Settings, error) {
	s, err := stack.ReadSettings(local.Home)
	known := err == nil
	if err != nil && !errors.Is(err, stack.ErrNoHome) {
		return stack.Settings{}, err
	}
	offset := local.PortOffset
	if cmd.Flags().Changed("port-offset") {
		offset = f.offset
	}
	switch {
	case f.free && !known:
		ports, err := stack.ReservePorts()
		if err != nil {
			return stack.Settings{}, err
		}
		s = stack.NewSettings(ports)
	case !known:
		s = stack.NewSettings(stack.DefaultPorts(offset))
	case cmd.Flags().Changed("port-offset"):
		s.Ports = stack.DefaultPorts(offset)
	}
	for _, p := range []struct{ from, to *int }{
		{&f.ports.Postgres, &s.Ports.Postgres}, {&f.ports.S3, &s.Ports.S3}, {&f.ports.Temporal, &s.Ports.Temporal},
		{&f.ports.TemporalUI, &s.Ports.TemporalUI}, {&f.ports.Glue, &s.Ports.Glue},
		{&f.ports.Firehose, &s.Ports.Firehose}, {&f.ports.Stream, &s.Ports.Stream},
		{&f.ports.API, &s.Ports.API}, {&f.ports.APIMetrics, &s.Ports.APIMetrics},
	} {
		if *p.from != 0 {
			*p.to = *p.from
		}
	}
	return s, nil
}

// openStack returns the stack of an existing home. Stopping and inspecting need no
// installed tools, so these may be missing.
func openStack(a *app.App) (*stack.Stack, stack.Options, error) {
	local, err := config.ReadLocal()
	if err != nil {
		return nil, stack.Options{}, err
	}
	settings, err := stack.ReadSettings(local.Home)
	if err != nil {
		return nil, stack.Options{}, err
	}
	tools, _ := toolchain.Installed(local.Cache)
	o, err := stackOptions(a, local, settings, tools)
	if err != nil {
		return nil, stack.Options{}, err
	}
	return stack.New(o), o, nil
}

func stackOptions(a *app.App, local config.Local, settings stack.Settings, tools toolchain.Paths) (stack.Options, error) {
	programs, err := findPrograms(local)
	if err != nil {
		return stack.Options{}, err
	}
	tools.PostgresBin = cmp.Or(local.PostgresBin, tools.PostgresBin)
	return stack.Options{Home: local.Home, Settings: settings, Tools: tools, Programs: programs, Progress: a.Progress()}, nil
}

// findPrograms looks for the worker, the Lambda function and the API next to this
// binary and for the training job in the source tree around it.
func findPrograms(local config.Local) (stack.Programs, error) {
	self, err := os.Executable()
	if err != nil {
		return stack.Programs{}, fmt.Errorf("find this command: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return stack.Programs{}, fmt.Errorf("find this command: %w", err)
	}
	dir := filepath.Dir(self)
	p := stack.Programs{Recflow: self, Worker: filepath.Join(dir, "recflow-worker"),
		Lambda: filepath.Join(dir, "recflow-lambda"), API: filepath.Join(dir, "recflow-api"), Cache: local.Cache}
	cwd, err := os.Getwd()
	if err != nil {
		return stack.Programs{}, err
	}
	candidates := []string{filepath.Join(dir, "..", "glue"), filepath.Join(cwd, "glue")}
	found := slices.IndexFunc(candidates, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "glue_job.py"))
		return err == nil
	})
	p.GlueDir = candidates[max(found, 0)]
	return p, nil
}
