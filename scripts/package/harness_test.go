package main

import (
	"archive/tar"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/progress"
)

// packages are the artifacts of a run for this machine's architecture.
type packages struct {
	artifacts map[string]artifact
	bundle    []byte
	images    map[string][]v1.Image
}

// get returns the artifact of that name, without the architecture.
func (p packages) get(t testing.TB, name string) artifact {
	t.Helper()
	a, ok := p.artifacts[name]
	if !ok {
		a, ok = p.artifacts[name+"-"+runtime.GOARCH]
	}
	require.True(t, ok, "no artifact %s", name)
	return a
}

// scratch is a directory that is removed when the tests have ended.
var scratch = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "recflow-package-test-") })

// built is the one build that nearly all tests share: compiling takes minutes.
var built = sync.OnceValues(func() (packages, error) { return build(filepath.Join("..", ".."), "first") })

func shared(t testing.TB) packages {
	t.Helper()
	toolchaintest.SkipShort(t)
	p, err := built()
	require.NoError(t, err)
	return p
}

// build builds everything from a checkout, with a certificate bundle.
func build(source, name string) (packages, error) {
	dir, err := scratch()
	if err != nil {
		return packages{}, err
	}
	ca, err := certificates()
	if err != nil {
		return packages{}, err
	}
	file := filepath.Join(dir, name+".pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		return packages{}, err
	}
	b, err := newBuilder(options{source: source, out: filepath.Join(dir, name), ca: file}, progress.Discard())
	if err != nil {
		return packages{}, err
	}
	made, err := b.all(context.Background(), runtime.GOARCH)
	if err == nil {
		var glue []artifact
		glue, err = b.glue()
		made = append(made, glue...)
	}
	p := packages{artifacts: map[string]artifact{}, bundle: ca, images: b.built}
	for _, a := range made {
		p.artifacts[a.Name] = a
	}
	return p, errors.Join(err, b.Close())
}

// certificates is a bundle of one authority.
var certificates = sync.OnceValues(func() ([]byte, error) {
	return authority(true, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
})

// authority returns a certificate in PEM format, of an authority or not.
func authority(ca bool, from, to time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: from, NotAfter: to, IsCA: ca, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if dir, err := scratch(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// openLayout reads an image's tarball as registry tools do.
func openLayout(t testing.TB, path string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, extract(f, dir, nil))
	index, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1)
	img, err := index.Image(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	return img
}

// extract unpacks a tar archive, and calls after with each file.
func extract(r io.Reader, dir string, after func(path string, h *tar.Header) error) error {
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o755)
		case tar.TypeReg:
			err = writeFile(path, in)
		default:
			err = fmt.Errorf("%s is neither a file nor a directory", h.Name)
		}
		if err == nil && after != nil {
			err = after(path, h)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
