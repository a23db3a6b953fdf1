package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/recflow/recflow/internal/progress"
)

// user runs everything: an unprivileged numeric ID, independent of the user names
// of other systems.
const user = 65532

// component is one image.
type component struct {
	name    string // of the image
	program string // at its root
	pkg     string
	port    string // published port, or empty
}

var components = []component{
	{name: "worker", program: "recflow-worker", pkg: "./worker"},
	{name: "api", program: "recflow-api", pkg: "./api", port: "14570/tcp"},
	{name: "admin", program: "recflow-admin", pkg: "./cmd/recflow-admin"},
}

// image builds a component's image for one architecture and writes it as a tarball
// of an OCI layout.
func (b *builder) image(ctx context.Context, c component, arch string) (artifact, error) {
	name := c.name + "-" + arch
	return b.step(name, "compiling", func(task *progress.Task) (artifact, error) {
		program := filepath.Join(b.work, name)
		if err := compile(ctx, b.source, c.pkg, program, arch); err != nil {
			return artifact{}, err
		}
		id, err := buildID(program)
		if err != nil {
			return artifact{}, err
		}
		task.Update("packing")
		img, err := b.assemble(c, program, id, arch)
		if err != nil {
			return artifact{}, fmt.Errorf("assemble the image: %w", err)
		}
		b.built[c.name] = append(b.built[c.name], img)
		a, err := b.writeLayout(name, img)
		a.BuildID = id
		return a, err
	})
}

// assemble combines one layer and its configuration.
func (b *builder) assemble(c component, program, id, arch string) (v1.Image, error) {
	file := program + ".tar.gz"
	if err := writeLayer(file, rootFS(c, program, b.bundle)); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromFile(file, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: made}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "recflow scripts/package"}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.Created, config.OS, config.Architecture = created, "linux", arch
	config.Config = b.configuration(c, id)
	return mutate.ConfigFile(img, config)
}

// configuration returns the image's runtime configuration. It does not depend on
// the place or the time of the build.
func (b *builder) configuration(c component, id string) v1.Config {
	out := v1.Config{
		User:       fmt.Sprintf("%d:%d", user, user),
		Entrypoint: []string{"/" + c.program},
		WorkingDir: "/tmp",
		// The binaries write below /tmp only, so the root file system may be
		// read-only.
		Env: []string{"HOME=/tmp", "RECFLOW_BUILD_ID=" + id},
		// ECS mounts a volume owned by root, except over a directory that the image
		// declares as a volume: then it keeps owner and mode.
		Volumes: map[string]struct{}{"/tmp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":   c.program,
			"org.opencontainers.image.source":  "https://github.com/recflow/recflow",
			"org.opencontainers.image.version": id,
		},
	}
	if b.revision != "" {
		out.Labels["org.opencontainers.image.revision"] = b.revision
	}
	if c.port != "" {
		out.ExposedPorts = map[string]struct{}{c.port: {}}
	}
	return out
}

// rootFS returns all files of an image: no shell, no package manager, and nothing
// writable but /tmp.
func rootFS(c component, program string, bundle []byte) []entry {
	out := []entry{
		{name: "etc", mode: fs.ModeDir | 0o755},
		{name: "etc/group", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:\nrecflow:x:%d:\n", user)},
		{name: "etc/passwd", mode: 0o644, content: fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nrecflow:x:%d:%d:recflow:/tmp:/sbin/nologin\n", user, user)},
	}
	if bundle != nil {
		out = append(out,
			entry{name: "etc/recflow", mode: fs.ModeDir | 0o755},
			entry{name: "etc/recflow/rds-ca.pem", mode: 0o644, content: bundle})
	}
	return append(out,
		entry{name: c.program, mode: 0o755, path: program},
		entry{name: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777})
}

// writeLayer writes the files as a layer. It uses Go's compression: the same
// version of Go produces the same bytes.
func writeLayer(to string, entries []entry) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if err := writeTar(z, entries); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return f.Close()
}

// writeTar packs files in the given order, all with the same time. Everything is
// owned by root, except /tmp, which is owned by the user.
func writeTar(w io.Writer, entries []entry) error {
	t := tar.NewWriter(w)
	for _, e := range entries {
		header, err := e.header()
		if err != nil {
			return err
		}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if e.mode.IsDir() {
			continue
		}
		if err := e.copyTo(t); err != nil {
			return err
		}
	}
	return t.Close()
}

func (e entry) header() (*tar.Header, error) {
	h := &tar.Header{Name: e.name, ModTime: made, Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Mode: int64(e.mode.Perm()), Size: int64(len(e.content))}
	if e.mode.IsDir() {
		h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(e.name, "/")+"/"
	}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
		h.Uid, h.Gid = user, user
	}
	if e.path == "" {
		return h, nil
	}
	info, err := os.Stat(e.path)
	if err != nil {
		return nil, err
	}
	h.Size = info.Size()
	return h, nil
}
