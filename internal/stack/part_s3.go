package stack

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
)

// newS3 is the emulator of S3 (and, for later parts, of Kinesis and the rest).
func newS3(o Options) Part {
	port := o.Settings.Ports.S3
	bucket := func(ctx context.Context) (*awsclient.S3, error) {
		config, err := awsclient.Load(ctx, awsclient.OptionsFrom(o.Settings.Env(o.Home)))
		if err != nil {
			return nil, err
		}
		return awsclient.NewS3(config, o.Settings.Bucket), nil
	}
	return &program{
		process: process{
			name: "s3", home: o.Home, grace: 10 * time.Second,
			args: []string{o.Tools.Python, o.Tools.MiniStack},
			vars: map[string]string{
				"BIND_HOST":        "127.0.0.1",
				"GATEWAY_PORT":     fmt.Sprint(port),
				"S3_PERSIST":       "1",
				"S3_DATA_DIR":      filepath.Join(o.Home, "s3", "objects"),
				"PERSIST_STATE":    "1",
				"STATE_DIR":        filepath.Join(o.Home, "s3", "state"),
				"PYTHONUNBUFFERED": "1",
			},
		},
		ports:   []int{port},
		address: "http://" + loopback(port),
		ready:   func(ctx context.Context) error { return accepts(ctx, port) },
		// After a kill the emulator keeps objects and forgets buckets.
		prepare: func(ctx context.Context) error {
			b, err := bucket(ctx)
			if err != nil {
				return err
			}
			return b.EnsureBucket(ctx)
		},
	}
}
