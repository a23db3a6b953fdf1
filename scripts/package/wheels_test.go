package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/progress"
)

// index is a directory of small wheels that pip uses in place of an index.
type index struct {
	dir  string
	pins string // the content of glue/wheels.txt
}

// newIndex creates a wheel for each name. The test needs Python 3.11, as set-up does.
func newIndex(t *testing.T, names ...string) *index {
	t.Helper()
	toolchaintest.SkipShort(t)
	x := &index{dir: t.TempDir()}
	for _, name := range names {
		content := wheel(t, name)
		file := strings.ReplaceAll(name, "-", "_") + "-1.0-py3-none-any.whl"
		require.NoError(t, os.WriteFile(filepath.Join(x.dir, file), content, 0o600))
		sum := sha256.Sum256(content)
		x.pins += fmt.Sprintf("%s==1.0 --hash=sha256:%s\n", name, hex.EncodeToString(sum[:]))
	}
	t.Setenv("PIP_NO_INDEX", "1")
	t.Setenv("PIP_FIND_LINKS", x.dir)
	return x
}

// wheel is a package without modules.
func wheel(t *testing.T, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	info := strings.ReplaceAll(name, "-", "_") + "-1.0.dist-info/"
	entries := []entry{
		{name: info + "METADATA", mode: 0o644, content: []byte("Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n")},
		{name: info + "WHEEL", mode: 0o644, content: []byte("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")},
		{name: info + "RECORD", mode: 0o644, content: []byte(info + "RECORD,,\n")},
	}
	require.NoError(t, writeZip(&b, entries))
	return b.Bytes()
}

// newWheels returns a builder in a checkout that contains only pins.
func newWheels(t *testing.T, pins string) *builder {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "glue"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "glue", "wheels.txt"), []byte(pins), 0o600))
	return &builder{
		options:  options{source: dir, out: filepath.Join(dir, "dist"), cache: filepath.Join(dir, "cache")},
		progress: progress.Discard(),
	}
}

func (b *builder) packed(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.out, "wheels", "*"))
	require.NoError(t, err)
	found := map[string][]byte{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		found[filepath.Base(f)] = data
	}
	return found
}

func TestWheels_are_the_pinned_ones_and_no_others(t *testing.T) {
	x := newIndex(t, "alpha", "beta-gamma")
	b := newWheels(t, "# a comment\n\n"+x.pins)
	require.NoError(t, os.MkdirAll(filepath.Join(b.out, "wheels"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(b.out, "wheels", "alpha-0.9-py3-none-any.whl"), nil, 0o600))
	got, err := b.wheels(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, "wheel-alpha", got[0].Name)
	assert.Equal(t, filepath.Join(b.out, "wheels", "beta_gamma-1.0-py3-none-any.whl"), got[1].Path)
	assert.Contains(t, x.pins, got[1].SHA256)
	first := b.packed(t)
	require.Len(t, first, 2)

	// A second run needs neither the index nor Python.
	t.Setenv("PIP_FIND_LINKS", "")
	t.Setenv("PATH", "")
	again, err := b.wheels(t.Context())
	require.NoError(t, err)
	assert.Equal(t, got, again)
	assert.Equal(t, first, b.packed(t))
}

func TestWheels_with_another_hash_are_refused(t *testing.T) {
	t.Run("when they are downloaded", func(t *testing.T) {
		x := newIndex(t, "alpha", "beta")
		b := newWheels(t, strings.Replace(x.pins, "beta==1.0 --hash=sha256:", "beta==1.0 --hash=sha256:"+strings.Repeat("0", 64)+"\n#", 1))
		_, err := b.wheels(t.Context())
		require.ErrorContains(t, err, "beta-1.0-py3-none-any.whl")
		require.ErrorContains(t, err, "DO NOT MATCH THE HASHES")
		assert.Empty(t, b.packed(t))
	})
	t.Run("when they are cached", func(t *testing.T) {
		x := newIndex(t, "alpha", "beta")
		b := newWheels(t, x.pins)
		_, err := b.wheels(t.Context())
		require.NoError(t, err)
		want := b.packed(t)
		cached, err := filepath.Glob(filepath.Join(b.cache, "wheels-*", "beta-*.whl"))
		require.NoError(t, err)
		require.Len(t, cached, 1)
		require.NoError(t, os.WriteFile(cached[0], []byte("damaged"), 0o600))
		_, err = b.wheels(t.Context())
		require.ErrorContains(t, err, cached[0]+" has the SHA-256")
		require.ErrorContains(t, err, "delete "+filepath.Dir(cached[0]))
		assert.Equal(t, want, b.packed(t))

		require.NoError(t, os.Remove(cached[0]))
		_, err = b.wheels(t.Context())
		require.ErrorContains(t, err, "no wheel of beta 1.0")
	})
}

func TestReadPins(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0a", 32)
	for want, text := range map[string]string{
		"line 2": "a==1 --hash=sha256:" + digest + "\nb>=1",
		"line 1": "a==1 --hash=sha256:" + digest + " --hash=sha256:" + digest,
		"empty":  "# nothing\n",
	} {
		_, err := readPins(text)
		require.ErrorContains(t, err, want)
	}
	pins, err := readPins("# wheels\na-b==1.0.post1 --hash=sha256:" + digest + "\n")
	require.NoError(t, err)
	require.Equal(t, []pin{{"a-b", "1.0.post1", digest}}, pins)
}

// TestWheels_have_the_tested_versions compares glue/wheels.txt with the packages that
// the job is tested with.
func TestWheels_have_the_tested_versions(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pins := pinsOf(t, filepath.Join(root, "glue", "wheels.txt"))
	installed := requirements(t, filepath.Join(root, "internal", "local", "toolchain", "requirements.txt"))
	wheels := map[string]bool{}
	for _, p := range pins {
		assert.Equal(t, installed[p.name], p.version, "%s of the local environment", p.name)
		wheels[p.name] = true
	}
	provided := map[string]bool{"pyspark": true, "numpy": true, "pyarrow": true} // by Glue
	for name := range requirements(t, filepath.Join(root, "glue", "requirements.txt")) {
		assert.NotEqual(t, provided[name], wheels[name], "%s must be provided by Glue or be in glue/wheels.txt", name)
	}
}

func pinsOf(t *testing.T, path string) []pin {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	pins, err := readPins(string(text))
	require.NoError(t, err)
	return pins
}

// requirements returns the versions of a file of pip, by name.
func requirements(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	versions := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([\w.-]+)==(\S+)$`).FindAllStringSubmatch(string(text), -1) {
		versions[strings.ToLower(m[1])] = m[2]
	}
	require.NotEmpty(t, versions)
	return versions
}

// TestWheels_work_in_Glue_5 installs the real wheels as Glue does, over what Glue
// provides, and uses them.
func TestWheels_work_in_Glue_5(t *testing.T) {
	tools := toolchaintest.Tools(t)
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the wheels are for Linux on x86-64")
	}
	local, err := config.ReadLocal()
	require.NoError(t, err)
	out := t.TempDir()
	b, err := newBuilder(options{source: filepath.Join("..", ".."), out: out, cache: local.Cache}, progress.Discard())
	require.NoError(t, err)
	defer b.Close()
	wheels, err := b.wheels(t.Context())
	skipOffline(t, err)
	require.NoError(t, err)
	_, err = b.glue()
	require.NoError(t, err)
	provided := providedByGlue(t, local.Cache)

	environment := t.TempDir()
	python := filepath.Join(environment, "bin", "python")
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = config.ChildEnv(map[string]string{"PYTHONPATH": filepath.Join(out, "recflow-glue.zip")})
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, string(text))
		return string(text)
	}
	install := []string{"-m", "pip", "--python", python, "install", "--quiet", "--no-compile", "--no-index", "--no-deps"}
	run(tools.Python, "-m", "venv", "--without-pip", environment)
	run(tools.Python, append(slices.Clone(install), provided...)...)
	for _, w := range wheels {
		glibc(t, w.Path)
		install = append(install, w.Path)
	}
	run(tools.Python, install...)
	run(tools.Python, "-m", "pip", "--python", python, "check")
	script, err := filepath.Abs(filepath.Join("testdata", "use_wheels.py"))
	require.NoError(t, err)
	want := requirements(t, filepath.Join("..", "..", "glue", "requirements.txt"))["boto3"]
	assert.Equal(t, "numpy 1.26.4 boto3 "+want+" trained (60, 8) (40, 8)\n", run(python, script))
}

// glibc checks that a wheel does not need a newer glibc than that of Glue 5.0.
func glibc(t *testing.T, path string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`manylinux_2_(\d+)_`).FindAllStringSubmatch(filepath.Base(path), -1) {
		minor, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		assert.LessOrEqual(t, minor, 34, path)
	}
}

// providedByGlue returns the wheels of testdata/glue5.txt.
func providedByGlue(t *testing.T, cache string) []string {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("testdata", "glue5.txt"))
	require.NoError(t, err)
	dir, err := toolchain.Wheels(t.Context(), cache, string(list), platforms, progress.Discard())
	skipOffline(t, err)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	require.NoError(t, err)
	require.Len(t, files, len(pinsOf(t, filepath.Join("testdata", "glue5.txt"))))
	return files
}

// skipOffline skips the test if err is a download that failed without a network.
func skipOffline(t *testing.T, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "connection broken by") {
		t.Skip("the wheels are not cached, and there is no network: ", err)
	}
}
