package stack

import (
	"context"
	"fmt"
	"time"

	"github.com/recflow/recflow/internal/local/process"
)

// newFirehose is the local Firehose endpoint, run by a hidden command of this
// binary. It delivers its buffered records before it stops.
func newFirehose(o Options) Part {
	port := o.Settings.Ports.Firehose
	return &program{
		Process: process.Process{
			Name: "firehose", Home: o.Home, Grace: 30 * time.Second, Vars: o.Settings.PartEnv(o.Home, "firehose"),
			Args: []string{o.Programs.Recflow, "local", "firehose", "--port", fmt.Sprint(port)},
		},
		ports:   []int{port},
		address: "http://" + loopback(port),
		ready:   func(ctx context.Context) error { return accepts(ctx, port) },
	}
}
