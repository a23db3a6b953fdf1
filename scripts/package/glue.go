package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// glue packages the training job: the package for --extra-py-files, and the script.
// The zip contains only our own files: Glue 5 provides pyspark, numpy and pyarrow, and
// installs the wheels.
func (b *builder) glue() ([]artifact, error) {
	const name = "recflow_glue"
	files, err := filepath.Glob(filepath.Join(b.source, "glue", name, "*.py"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no Python files in %s; run this in the checkout, or pass -C", filepath.Join(b.source, "glue", name))
	}
	slices.Sort(files)
	var entries []entry
	for _, f := range files {
		entries = append(entries, entry{name: name + "/" + filepath.Base(f), mode: 0o644, path: f})
	}
	zipped, err := replace("glue", filepath.Join(b.out, "recflow-glue.zip"), func(w io.Writer) error { return writeZip(w, entries) })
	if err != nil {
		return nil, fmt.Errorf("pack the training job: %w", err)
	}
	script, err := replace("glue-script", filepath.Join(b.out, "glue_job.py"), func(w io.Writer) error {
		return entry{path: filepath.Join(b.source, "glue", "glue_job.py")}.copyTo(w)
	})
	if err != nil {
		return nil, fmt.Errorf("copy the training job's script: %w", err)
	}
	return []artifact{zipped, script}, nil
}
