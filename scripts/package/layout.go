package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// writeLayout writes an image as a tarball of an OCI layout, which skopeo, podman
// and crane can read.
func (b *builder) writeLayout(name string, img v1.Image) (artifact, error) {
	digest, err := img.Digest()
	if err != nil {
		return artifact{}, err
	}
	dir := filepath.Join(b.work, name+".layout")
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return artifact{}, err
	}
	defer os.RemoveAll(dir)
	if err := to.AppendImage(img); err != nil {
		return artifact{}, err
	}
	entries, err := tree(dir)
	if err != nil {
		return artifact{}, err
	}
	a, err := replace(name, filepath.Join(b.out, "recflow-"+name+".tar"), func(w io.Writer) error { return writeTar(w, entries) })
	a.Digest = digest.String()
	return a, err
}

// tree returns the paths in a directory, in order.
func tree(dir string) ([]entry, error) {
	var out []entry
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		e := entry{name: filepath.ToSlash(name), mode: 0o644, path: path}
		if d.IsDir() {
			e = entry{name: e.name, mode: fs.ModeDir | 0o755}
		}
		out = append(out, e)
		return nil
	})
	return out, err
}
