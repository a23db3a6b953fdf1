package main

import (
	"context"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/recflow/recflow/internal/progress"
)

// builder builds the artifacts of one run.
type builder struct {
	options
	progress *progress.Printer
	bundle   []byte                // the RDS certificate bundle, or nil
	work     string                // directory of temporary files
	built    map[string][]v1.Image // images, by component
}

func newBuilder(o options, p *progress.Printer) (*builder, error) {
	bundle, err := readBundle(o.ca)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, fmt.Errorf("create the directory of the artifacts: %w", err)
	}
	work, err := os.MkdirTemp("", "recflow-package-")
	if err != nil {
		return nil, err
	}
	return &builder{options: o, progress: p, bundle: bundle, work: work, built: map[string][]v1.Image{}}, nil
}

// Close removes the temporary files.
func (b *builder) Close() error { return os.RemoveAll(b.work) }

// all builds everything for one architecture.
func (b *builder) all(ctx context.Context, arch string) ([]artifact, error) {
	var out []artifact
	if !b.images {
		a, err := b.lambda(ctx, arch)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	for _, c := range components {
		a, err := b.image(ctx, c, arch)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, nil
}

// step shows the progress and the result of one step.
func (b *builder) step(name, text string, work func(*progress.Task) (artifact, error)) (artifact, error) {
	task := b.progress.Start(name, text)
	a, err := work(task)
	if err != nil {
		task.Fail()
		return a, fmt.Errorf("%s: %w", name, err)
	}
	task.Done("%s, %s", a.Path, size(a.Bytes))
	return a, nil
}
