package ecs

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// unpack writes an image's files below root, and returns its configuration.
func (h *Host) unpack(ctx context.Context, name, root string) (v1.Config, error) {
	image, err := h.options.Pull(ctx, name)
	if err != nil {
		return v1.Config{}, fmt.Errorf("pull %s: %w", name, err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return v1.Config{}, fmt.Errorf("read %s: %w", name, err)
	}
	files := mutate.Extract(image)
	defer files.Close()
	if err := extract(files, root); err != nil {
		return v1.Config{}, fmt.Errorf("unpack %s: %w", name, err)
	}
	return config.Config, nil
}

// arguments returns the arguments of the entry point: those of the caller's
// override, of the definition, or of the image.
func arguments(image v1.Config, container types.ContainerDefinition, override []string) []string {
	switch {
	case override != nil:
		return override
	case len(container.Command) > 0:
		return container.Command
	}
	return image.Cmd
}

// extract writes an image's files below dir.
func extract(r io.Reader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		switch h.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o755); err != nil {
				return err
			}
		case tar.TypeReg:
			f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fs.FileMode(h.Mode)&fs.ModePerm)
			if err != nil {
				return err
			}
			_, err = io.Copy(f, files)
			if err := errors.Join(err, f.Close()); err != nil {
				return err
			}
		}
	}
}
