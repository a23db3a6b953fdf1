package stack

import (
	"context"
	"fmt"
	"time"
)

// newFirehose is our own Firehose endpoint, run by a hidden command of this
// binary. It delivers what it has before it stops.
func newFirehose(o Options) Part {
	port := o.Settings.Ports.Firehose
	return &program{
		process: process{
			name: "firehose", home: o.Home, grace: 30 * time.Second, vars: o.Settings.PartEnv(o.Home, "firehose"),
			args: []string{o.Programs.Recflow, "local", "firehose", "--port", fmt.Sprint(port)},
		},
		ports:   []int{port},
		address: "http://" + loopback(port),
		ready:   func(ctx context.Context) error { return accepts(ctx, port) },
	}
}
