package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/progress"
)

// keeper is a registry that requires a password and counts write requests.
type keeper struct {
	address string
	changes atomic.Int64
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{}
	store := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "AWS" || password != "let me in" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			k.changes.Add(1)
		}
		store.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	k.address = strings.TrimPrefix(server.URL, "http://")
	return k
}

// small is a builder whose images have a program of a few bytes.
func small(t *testing.T, o options) *builder {
	t.Helper()
	o.out = t.TempDir()
	b, err := newBuilder(o, progress.Discard())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	for _, c := range components {
		for _, arch := range architectures {
			program := filepath.Join(b.work, c.name+arch)
			require.NoError(t, os.WriteFile(program, []byte(program[len(b.work):]), 0o600))
			img, err := b.assemble(c, program, "id", arch)
			require.NoError(t, err)
			b.built[c.name] = append(b.built[c.name], img)
		}
	}
	return b
}

func TestPush(t *testing.T) {
	k := newKeeper(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("RECFLOW_REGISTRY_PASSWORD", "let me in")
	b := small(t, options{push: k.address + "/recflow-"})
	first, err := b.pushAll(t.Context())
	require.NoError(t, err)
	require.Len(t, first, len(components))

	access, err := access()
	require.NoError(t, err)
	for i, c := range components {
		p := first[i]
		assert.Equal(t, c.name, p.Name)
		require.Contains(t, p.URI, "/recflow-"+c.name+"@sha256:"+p.Tag)
		ref, err := name.ParseReference(p.URI)
		require.NoError(t, err)
		index, err := remote.Index(ref, access)
		require.NoError(t, err)
		manifest, err := index.IndexManifest()
		require.NoError(t, err)
		var found []string
		for _, m := range manifest.Manifests {
			found = append(found, m.Platform.OS+"/"+m.Platform.Architecture)
			img, err := index.Image(m.Digest)
			require.NoError(t, err)
			config, err := img.ConfigFile()
			require.NoError(t, err)
			assert.Equal(t, m.Platform.Architecture, config.Architecture)
			layers, err := img.Layers()
			require.NoError(t, err)
			content, err := layers[0].Compressed()
			require.NoError(t, err, "the layer exists")
			content.Close()
		}
		assert.Equal(t, []string{"linux/arm64", "linux/amd64"}, found)
	}

	before := k.changes.Load()
	second, err := small(t, options{push: b.push}).pushAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.Equal(t, before, k.changes.Load(), "the same images again change nothing")

	tagged, err := small(t, options{push: b.push, tag: "v1"}).pushAll(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "v1", tagged[0].Tag)
	assert.Equal(t, first[0].URI, tagged[0].URI)
}

func TestPushWithoutAccess(t *testing.T) {
	k := newKeeper(t)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	b := small(t, options{push: k.address + "/recflow-"})
	for password, why := range map[string]string{"": "no user", "not-this-one": "another user"} {
		t.Setenv("RECFLOW_REGISTRY_PASSWORD", password)
		_, err := b.pushAll(t.Context())
		require.ErrorContains(t, err, "push "+b.push+"worker", why)
		require.ErrorContains(t, err, "aws ecr get-login-password", why)
		require.NotContains(t, err.Error(), "not-this-one", "the message does not contain the password")
	}
	assert.Zero(t, k.changes.Load())
}

func TestPushAsDockerIsLoggedIn(t *testing.T) {
	k := newKeeper(t)
	dir := t.TempDir()
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("RECFLOW_REGISTRY_PASSWORD", "")
	auth := `{"auths": {"` + k.address + `": {"username": "AWS", "password": "let me in"}}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(auth), 0o600))
	out, err := small(t, options{push: k.address + "/recflow/"}).pushAll(t.Context())
	require.NoError(t, err)
	assert.Contains(t, out[0].URI, "/recflow/worker@sha256:")
}
