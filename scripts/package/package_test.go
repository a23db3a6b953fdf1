package main

import (
	"archive/tar"
	"archive/zip"
	"debug/elf"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTwoBuildsAreTheSameBytes builds from this checkout and from a copy of it in
// another directory, with other file times.
func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	here := filepath.Join("..", "..")
	there := t.TempDir()
	for _, dir := range []string{"activities", "api", "cmd", "glue", "internal", "lambda", "worker", "workflows"} {
		require.NoError(t, os.CopyFS(filepath.Join(there, dir), os.DirFS(filepath.Join(here, dir))))
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(here, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(there, file), data, 0o600))
	}
	first := shared(t)
	second, err := build(there, "second")
	require.NoError(t, err)
	require.Len(t, second.artifacts, 6)
	for name, a := range first.artifacts {
		b := second.artifacts[name]
		assert.Equal(t, a.SHA256, b.SHA256, name)
		assert.Equal(t, a.Digest, b.Digest, name)
		assert.Equal(t, a.BuildID, b.BuildID, name)
		assert.NotEqual(t, a.Path, b.Path)
	}
}

func TestZips(t *testing.T) {
	p := shared(t)
	for name, want := range map[string]map[string]fs.FileMode{
		"lambda": {"bootstrap": 0o755, "rds-ca.pem": 0o644},
		"glue":   {"recflow_glue/__init__.py": 0o644, "recflow_glue/job.py": 0o644, "recflow_glue/foldin.py": 0o644},
	} {
		z, err := zip.OpenReader(p.get(t, name).Path)
		require.NoError(t, err)
		defer z.Close()
		found := map[string]fs.FileMode{}
		for _, f := range z.File {
			found[f.Name] = f.Mode()
			assert.True(t, f.Modified.Equal(made), "%s has the time %s", f.Name, f.Modified)
			if name == "glue" {
				assert.Regexp(t, `^recflow_glue/\w+\.py$`, f.Name)
			}
		}
		if name == "lambda" {
			assert.Len(t, found, len(want))
		}
		for file, mode := range want {
			assert.Equal(t, mode, found[file], file)
		}
	}
	script, err := os.ReadFile(p.get(t, "glue-script").Path)
	require.NoError(t, err)
	assert.Contains(t, string(script), "from recflow_glue import")
}

func TestImages(t *testing.T) {
	p := shared(t)
	for _, c := range components {
		t.Run(c.name, func(t *testing.T) {
			a := p.get(t, c.name)
			img := openLayout(t, a.Path)
			digest, err := img.Digest()
			require.NoError(t, err)
			assert.Equal(t, a.Digest, digest.String())
			media, err := img.MediaType()
			require.NoError(t, err)
			assert.Equal(t, types.OCIManifestSchema1, media)

			config, err := img.ConfigFile()
			require.NoError(t, err)
			assert.Equal(t, []string{"linux", runtime.GOARCH}, []string{config.OS, config.Architecture})
			assert.True(t, config.Created.Equal(made))
			assert.Equal(t, "65532:65532", config.Config.User)
			assert.Equal(t, []string{"/" + c.program}, config.Config.Entrypoint)
			assert.Empty(t, config.Config.Cmd)
			assert.Contains(t, config.Config.Volumes, "/tmp")
			assert.Equal(t, a.BuildID, config.Config.Labels["org.opencontainers.image.version"])

			layers, err := img.Layers()
			require.NoError(t, err)
			require.Len(t, layers, 1)
			content, err := layers[0].Uncompressed()
			require.NoError(t, err)
			defer content.Close()
			files := map[string]string{}
			var order []string
			require.NoError(t, extract(content, t.TempDir(), func(path string, h *tar.Header) error {
				order = append(order, h.Name)
				assert.True(t, h.ModTime.Equal(made), h.Name)
				if h.Name == "tmp/" {
					assert.Equal(t, int64(0o1777), h.Mode)
					assert.Equal(t, []int{user, user}, []int{h.Uid, h.Gid})
					return nil
				}
				assert.Equal(t, []int{0, 0}, []int{h.Uid, h.Gid}, h.Name)
				assert.Zero(t, h.Mode&0o022, "%s is writable", h.Name)
				if h.Name == c.program {
					assert.Equal(t, int64(0o755), h.Mode)
					return static(t, path)
				}
				if h.Typeflag == tar.TypeReg {
					data, err := os.ReadFile(path)
					files[h.Name] = string(data)
					return err
				}
				return nil
			}))
			assert.Equal(t, []string{"etc/", "etc/group", "etc/passwd", "etc/recflow/", "etc/recflow/rds-ca.pem", c.program, "tmp/"}, order)
			assert.True(t, slices.IsSorted(order))
			assert.Equal(t, string(p.bundle), files["etc/recflow/rds-ca.pem"])
			assert.Contains(t, files["etc/passwd"], "recflow:x:65532:65532:")
		})
	}
}

// static checks that a program needs no other file.
func static(t *testing.T, path string) error {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "%s is linked dynamically", path)
	}
	libraries, err := f.ImportedLibraries()
	assert.Empty(t, libraries)
	return err
}

func TestALabelForTheCommit(t *testing.T) {
	b := &builder{options: options{revision: "98453df0c2a1"}}
	assert.Equal(t, "98453df0c2a1", b.configuration(components[0], "id").Labels["org.opencontainers.image.revision"])
	b.revision = ""
	assert.NotContains(t, b.configuration(components[0], "id").Labels, "org.opencontainers.image.revision")
}

func TestCheckBundle(t *testing.T) {
	now := time.Now()
	valid, err := authority(true, now.Add(-time.Hour), now.Add(time.Hour))
	require.NoError(t, err)
	expired, err := authority(true, now.Add(-2*time.Hour), now.Add(-time.Hour))
	require.NoError(t, err)
	leaf, err := authority(false, now.Add(-time.Hour), now.Add(time.Hour))
	require.NoError(t, err)
	key := []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"one authority":           {valid, ""},
		"an expired one besides":  {slices.Concat(expired, valid), ""},
		"nothing":                 {nil, "no CA certificate"},
		"an HTML page":            {[]byte("<html>403</html>"), "no CA certificate"},
		"no authority":            {leaf, "no CA certificate"},
		"only an expired one":     {expired, "none of its 1 authorities is currently valid"},
		"a key besides":           {slices.Concat(valid, key), "block 2 is a PRIVATE KEY"},
		"a certificate cut short": {[]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1"},
		"an unrelated file":       {make([]byte, mostBundle+1), "too many for a bundle"},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkBundle(c.data, now)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCommandLine(t *testing.T) {
	o, err := parse([]string{"--images", "--rds-ca", "x.pem", "-arch", "arm64"})
	require.NoError(t, err)
	assert.Equal(t, options{source: ".", out: "dist", images: true, ca: "x.pem", architectures: []string{"arm64"}, output: "table"}, o)
	for want, args := range map[string][]string{
		"riscv64":          {"-arch", "arm64,riscv64"},
		"yaml":             {"-o", "yaml"},
		"end with / or -":  {"-push", "registry.example/recflow"},
		"unknown argument": {"everything"},
	} {
		_, err := parse(args)
		require.ErrorContains(t, err, want)
	}
	_, err = newBuilder(options{ca: filepath.Join(t.TempDir(), "none.pem")}, nil)
	require.ErrorContains(t, err, "read the RDS certificate bundle")
}

func TestPrint(t *testing.T) {
	r := report{
		Artifacts: []artifact{
			{Name: "lambda-arm64", Path: "dist/recflow-lambda-arm64.zip", Bytes: 6_340_000, SHA256: "ab"},
			{Name: "glue", Path: "dist/recflow-glue.zip", Bytes: 25_960, SHA256: "ef"},
		},
		Pushed: []pushed{{Name: "api", Tag: "1", URI: "registry.example/recflow-api@sha256:cd"}},
	}
	var table, programs strings.Builder
	require.NoError(t, print(&table, "table", r))
	assert.Equal(t, "ab  dist/recflow-lambda-arm64.zip  6.3 MB\nef  dist/recflow-glue.zip          26.0 kB\npushed registry.example/recflow-api@sha256:cd (tag 1)\n", table.String())
	require.NoError(t, print(&programs, "json", r))
	assert.Contains(t, programs.String(), `"sha256": "ab"`)
}

// TestAFailedWriteLeavesTheOldFile verifies that a failed build leaves dist/
// unchanged.
func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.zip")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o600))
	_, err := replace("x", file, func(w io.Writer) error {
		_, _ = io.WriteString(w, "ne")
		return io.ErrUnexpectedEOF
	})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "old", string(data))
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	assert.Len(t, left, 1)
}
