package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/filelock"
	"github.com/recflow/recflow/internal/harnesstest"
	"github.com/recflow/recflow/internal/progress"
)

// script writes an executable shell script and returns its path.
func script(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	harnesstest.WriteProgram(t, path, "#!/bin/sh\n"+body+"\n")
	return path
}

func installerIn(cache string) *installer {
	return &installer{Options: Options{Cache: cache}, progress: progress.Discard()}
}

func TestPart(t *testing.T) {
	t.Parallel()
	t.Run("exists only when the installation completed", func(t *testing.T) {
		t.Parallel()
		in := installerIn(t.TempDir())
		_, err := in.part("jars", "v1", func(temp string) error {
			require.NoError(t, os.WriteFile(filepath.Join(temp, "half"), nil, 0o644))
			return errors.New("interrupted")
		})
		require.ErrorContains(t, err, "interrupted")
		require.NoDirExists(t, in.partDir("jars", "v1"))

		dir, err := in.part("jars", "v1", func(temp string) error {
			require.NoFileExists(t, filepath.Join(temp, "half"))
			return os.WriteFile(filepath.Join(temp, "whole"), nil, 0o644)
		})
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(dir, "whole"))
	})
	t.Run("is not installed twice, but again for other inputs", func(t *testing.T) {
		t.Parallel()
		in := installerIn(t.TempDir())
		installs := 0
		install := func(string) error { installs++; return nil }
		for _, inputs := range []string{"v1", "v1", "v2"} {
			_, err := in.part("jars", inputs, install)
			require.NoError(t, err)
		}
		require.Equal(t, 2, installs)
	})
}

// complete writes a cache in which nothing is missing.
func complete(t *testing.T, cache string) Paths {
	t.Helper()
	p := Paths{
		Python: script(t, cache, "python", ""), MiniStack: script(t, cache, "ministack", ""),
		PostgresBin: filepath.Join(cache, "pg"), JavaHome: filepath.Join(cache, "java"),
		SparkJars: []string{script(t, cache, "a.jar", "")}, Temporal: script(t, cache, "temporal", ""),
	}
	script(t, p.PostgresBin, "postgres", "")
	script(t, p.JavaHome, "bin/java", "")
	require.NoError(t, writeRecord(cache, record{Paths: p, Key: key()}))
	return p
}

func TestEnsure(t *testing.T) {
	t.Parallel()
	t.Run("changes nothing when the cache is complete", func(t *testing.T) {
		t.Parallel()
		cache := t.TempDir()
		want := complete(t, cache)
		require.NoError(t, os.Chmod(cache, 0o500))
		got, err := Ensure(t.Context(), Options{Cache: cache}, progress.Discard())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.NoFileExists(t, filepath.Join(cache, "setup.lock"))
	})
	t.Run("waits for another setup, reports it, and uses its result", func(t *testing.T) {
		t.Parallel()
		cache := t.TempDir()
		lock, err := filelock.Acquire(t.Context(), filepath.Join(cache, "setup.lock"), nil)
		require.NoError(t, err)
		out := make(lines, 100)
		done := make(chan error)
		go func() {
			_, err := Ensure(t.Context(), Options{Cache: cache}, progress.New(out))
			done <- err
		}()
		require.Contains(t, <-out, "waiting for another setup")
		complete(t, cache)
		require.NoError(t, lock.Release())
		require.NoError(t, <-done)
		require.Contains(t, <-out, "the other setup has ended")
	})
	t.Run("is not current when a file is gone or the versions have changed", func(t *testing.T) {
		t.Parallel()
		cache := t.TempDir()
		p := complete(t, cache)
		_, ok := Current(cache)
		require.True(t, ok)
		require.NoError(t, writeRecord(cache, record{Paths: p, Key: "older"}))
		_, ok = Current(cache)
		require.False(t, ok)
		require.NoError(t, writeRecord(cache, record{Paths: p, Key: key()}))
		require.NoError(t, os.Remove(p.SparkJars[0]))
		_, ok = Current(cache)
		require.False(t, ok)
	})
}

// lines is a writer that sends each line to a channel.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("shows the last output of a failed command", func(t *testing.T) {
		t.Parallel()
		err := installerIn(t.TempDir()).run(t.Context(), command{args: []string{"/bin/sh", "-c", "echo one; echo two >&2; exit 4"}})
		require.ErrorContains(t, err, "exit status 4\n    one\n    two")
	})
	t.Run("ends its child processes when it is interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		var child string
		err := installerIn(t.TempDir()).run(ctx, command{
			args: []string{"/bin/sh", "-c", "sleep 300 & echo $!; wait"},
			line: func(line string) { child = line; cancel() },
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Eventually(t, func() bool {
			state, _ := exec.Command("ps", "-o", "state=", "-p", child).Output()
			return len(state) == 0 || state[0] == 'Z' // exited, or not reaped yet
		}, 5*time.Second, 10*time.Millisecond, "the child is gone")
	})
}

func TestPipStep(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Collecting pyspark==3.5.9 (from -r x)":                        "fetching pyspark",
		"  Downloading https://host/a/pyspark-3.5.9.tar.gz (317.9 MB)": "downloading pyspark-3.5.9.tar.gz (317.9 MB)",
		"  Building wheel for pyspark (setup.py): started":             "unpacking pyspark",
		"  Building wheel for pyspark (setup.py): still running...":    "",
		"Installing collected packages: py4j, pyspark":                 "installing the packages",
		"Requirement already satisfied: pip in ./lib":                  "",
		"": "",
	} {
		require.Equal(t, want, pipStep(line), line)
	}
}

func TestJava(t *testing.T) {
	t.Parallel()
	fake := func(t *testing.T, version string) string {
		home := t.TempDir()
		script(t, home, "bin/java", fmt.Sprintf("echo '    java.home = %s' >&2\necho '    java.specification.version = %s' >&2", home, version))
		return home
	}
	t.Run("uses JAVA_HOME if it is 17", func(t *testing.T) {
		t.Parallel()
		in := installerIn(t.TempDir())
		in.JavaHome = fake(t, "17")
		require.Equal(t, in.JavaHome, in.findJava(t.Context()))
	})
	t.Run("skips a newer one", func(t *testing.T) {
		t.Parallel()
		in := installerIn(t.TempDir())
		in.JavaHome = fake(t, "21")
		require.NotEqual(t, in.JavaHome, in.findJava(t.Context()))
	})
}

func TestTemporalFits(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)":     true,
		"temporal version 0.0.0-DEV (Server 1.30.0, UI 2.42.1)": true,
		"temporal version 1.1.0 (Server 1.25.0, UI 2.31.0)":     false,
		"tctl version 1.18": false,
	} {
		path := script(t, t.TempDir(), "temporal", "echo '"+version+"'")
		require.Equal(t, want, temporalFits(t.Context(), path), version)
	}
	require.False(t, temporalFits(t.Context(), filepath.Join(t.TempDir(), "none")))
}

func TestTrustStore(t *testing.T) {
	t.Parallel()
	t.Run("can be read by Java, with every certificate", func(t *testing.T) {
		t.Parallel()
		keytool, err := exec.LookPath("keytool")
		if err != nil {
			t.Skip("no keytool installed")
		}
		path := filepath.Join(t.TempDir(), "trust.jks")
		require.NoError(t, writeTrustStore(path))
		out, err := exec.Command(keytool, "-list", "-keystore", path, "-storepass", trustPassword).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Greater(t, strings.Count(string(out), "trustedCertEntry"), 50)
	})
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	pinned := map[string]bool{}
	for line := range strings.Lines(requirements) {
		pinned[strings.ToLower(strings.TrimSpace(line))] = true
	}
	t.Run("pin every package", func(t *testing.T) {
		t.Parallel()
		for line := range pinned {
			require.True(t, line == "" || line[0] == '#' || strings.Contains(line, "=="), line)
		}
	})
	t.Run("have the training job's requirements in the same versions", func(t *testing.T) {
		t.Parallel()
		files, err := filepath.Glob("../../../glue/requirements*.txt")
		require.NoError(t, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			for line := range strings.Lines(string(data)) {
				line = strings.ToLower(strings.TrimSpace(line))
				if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "-") {
					require.True(t, pinned[line], "%s: %s", file, line)
				}
			}
		}
	})
}
