package stack

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

// newGlue is the local Glue endpoint, run by a hidden command of this binary.
func newGlue(o Options) Part {
	port := o.Settings.Ports.Glue
	vars := o.Settings.PartEnv(o.Home, "glue")
	maps.Copy(vars, map[string]string{"RECFLOW_CACHE": o.Programs.Cache})
	return &program{
		Process: process.Process{
			Name: "glue", Home: o.Home, Grace: 15 * time.Second, Vars: vars,
			Args: []string{o.Programs.Recflow, "local", "glue", "--port", fmt.Sprint(port), "--job-dir", o.Programs.GlueDir},
		},
		ports:   []int{port},
		address: "http://" + loopback(port),
		ready:   func(ctx context.Context) error { return accepts(ctx, port) },
	}
}
