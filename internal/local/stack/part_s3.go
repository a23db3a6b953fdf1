package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/local/process"
)

// shards of the local stream.
const shards = 2

// newS3 is the emulator of S3 and Kinesis.
func newS3(o Options) Part {
	port := o.Settings.Ports.S3
	vars := map[string]string{
		"BIND_HOST":        "127.0.0.1",
		"GATEWAY_PORT":     fmt.Sprint(port),
		"S3_PERSIST":       "1",
		"S3_DATA_DIR":      filepath.Join(o.Home, "s3", "objects"),
		"PERSIST_STATE":    "1",
		"STATE_DIR":        filepath.Join(o.Home, "s3", "state"),
		"PYTHONUNBUFFERED": "1",
	}
	return &program{
		Process: process.Process{
			Name: "s3", Home: o.Home, Grace: 10 * time.Second, Vars: vars,
			Args: []string{o.Tools.Python, o.Tools.MiniStack},
		},
		ports:   []int{port},
		address: "http://" + loopback(port),
		ready:   func(ctx context.Context) error { return accepts(ctx, port) },
		// After a kill the emulator keeps objects but loses buckets and streams.
		prepare: func(ctx context.Context) error {
			config, err := awsclient.Load(ctx, awsclient.OptionsFrom(o.Settings.Env(o.Home)))
			if err != nil {
				return err
			}
			if err := awsclient.NewS3(config, o.Settings.Bucket).EnsureBucket(ctx); err != nil {
				return err
			}
			return awsclient.NewKinesis(config, StreamName).EnsureStream(ctx, shards)
		},
	}
}
