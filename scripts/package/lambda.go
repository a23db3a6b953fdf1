package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/recflow/recflow/internal/progress"
)

// maxZip is Lambda's limit for a direct upload, in bytes.
const maxZip = 50 << 20

// lambda packages the stream's function as bootstrap, for the runtime
// provided.al2023. Lambda unpacks the zip into /var/task.
func (b *builder) lambda(ctx context.Context, arch string) (artifact, error) {
	name := "lambda-" + arch
	return b.step(name, "compiling", func(task *progress.Task) (artifact, error) {
		program := filepath.Join(b.work, name)
		if err := compile(ctx, b.source, "./lambda", program, arch, "-tags", "lambda.norpc"); err != nil {
			return artifact{}, err
		}
		task.Update("packing")
		entries := []entry{{name: "bootstrap", mode: 0o755, path: program}}
		if b.bundle != nil {
			entries = append(entries, entry{name: "rds-ca.pem", mode: 0o644, content: b.bundle})
		}
		a, err := replace(name, filepath.Join(b.out, "recflow-"+name+".zip"), func(w io.Writer) error { return writeZip(w, entries) })
		if err != nil {
			return a, err
		}
		if a.Bytes > maxZip {
			return a, fmt.Errorf("%s has %d bytes; Lambda accepts %d", a.Path, a.Bytes, maxZip)
		}
		a.BuildID, err = buildID(program)
		return a, err
	})
}
