package stack

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/local/toolchain"
)

func TestLoadEnv(t *testing.T) {
	t.Parallel()
	t.Run("reads what up wrote, whatever the directory name", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "it's a $HOME")
		require.NoError(t, folders(dir))
		vars := NewSettings(DefaultPorts(7)).Env(dir)
		require.NoError(t, writeEnv(dir, vars))
		got, err := LoadEnv(dir)
		require.NoError(t, err)
		require.Equal(t, vars, got)
		require.Equal(t, "127.0.0.1:17240", got["RECFLOW_TEMPORAL_ADDRESS"])
		info, err := os.Stat(filepath.Join(dir, envFile))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

		shell := exec.Command("/bin/sh", "-c", `set -a; . ./env; exec printenv RECFLOW_HOME`)
		shell.Dir = dir
		out, err := shell.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, dir+"\n", string(out), "a shell reads it too")
	})
	t.Run("is empty without a stack", func(t *testing.T) {
		t.Parallel()
		vars, err := LoadEnv(t.TempDir())
		require.NoError(t, err)
		require.Empty(t, vars)
	})
	t.Run("names the line it cannot parse", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, envFile), []byte("# x\nA=b\nnonsense\n"), 0o600))
		_, err := LoadEnv(dir)
		require.ErrorContains(t, err, "line 3")
	})
}

func TestPartEnv_has_its_own_database_user(t *testing.T) {
	t.Parallel()
	s := NewSettings(DefaultPorts(0))
	dir := t.TempDir()
	all, worker := s.Env(dir), s.PartEnv(dir, "worker")
	require.Equal(t, all, s.PartEnv(dir, "glue"), "a part without its own user")
	u, err := url.Parse(worker["RECFLOW_DATABASE_URL"])
	require.NoError(t, err)
	require.Equal(t, "recflow_loader", u.User.Username())
	worker["RECFLOW_DATABASE_URL"] = all["RECFLOW_DATABASE_URL"]
	require.Equal(t, all, worker)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	t.Run("are read back with their ports and password", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := NewSettings(DefaultPorts(3))
		require.NoError(t, s.write(dir))
		got, err := ReadSettings(dir)
		require.NoError(t, err)
		require.Equal(t, s, got)
		require.NotEqual(t, s.Password, NewSettings(s.Ports).Password)
	})
	t.Run("of an earlier recflow can be removed and not started", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		old := `{"format":1,"ports":{"postgres":15442,"s3":14576,"temporal":17243,"temporal_ui":18243,"glue":14577}}`
		require.NoError(t, os.WriteFile(filepath.Join(dir, settingsFile), []byte(old), 0o600))
		got, err := ReadSettings(dir)
		require.NoError(t, err)
		s := New(Options{Home: dir, Settings: got})
		err = s.Up(t.Context(), UpOptions{})
		require.ErrorContains(t, err, "an earlier recflow created "+dir)
		require.ErrorContains(t, err, "recflow down --purge")
		require.NoError(t, s.Down(t.Context()))
		require.NoError(t, Purge(dir))
		require.NoDirExists(t, dir)
	})
	t.Run("of a later recflow are refused", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, settingsFile), fmt.Appendf(nil, `{"format":%d}`, format+1), 0o600))
		_, err := ReadSettings(dir)
		require.ErrorContains(t, err, "use the recflow that created it")
	})
	t.Run("report every impossible port at once", func(t *testing.T) {
		t.Parallel()
		err := Ports{Postgres: 5, S3: 5, Temporal: 70000, TemporalUI: 6, Glue: 0}.Validate()
		require.ErrorContains(t, err, "port 5 is used for both postgres and s3")
		require.ErrorContains(t, err, "70000")
		require.ErrorContains(t, err, "port 0 of glue")
		require.NoError(t, DefaultPorts(0).Validate())
		reserved, err := ReservePorts()
		require.NoError(t, err)
		require.NoError(t, reserved.Validate())
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()
	t.Run("removes a home", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		require.NoError(t, NewSettings(DefaultPorts(0)).write(dir))
		require.NoError(t, Purge(dir))
		require.NoDirExists(t, dir)
	})
	t.Run("rejects a directory that is not a home", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		require.ErrorIs(t, Purge(dir), ErrNoHome)
		require.DirExists(t, dir)
	})
	t.Run("rejects a home that contains other files", func(t *testing.T) {
		t.Parallel()
		dir := home(t)
		require.NoError(t, NewSettings(DefaultPorts(0)).write(dir))
		thesis := filepath.Join(dir, "thesis.tex")
		require.NoError(t, os.WriteFile(thesis, nil, 0o600))
		require.ErrorContains(t, Purge(dir), "thesis.tex")
		require.FileExists(t, thesis)
		require.DirExists(t, filepath.Join(dir, "logs"))
	})
}

func TestLogs(t *testing.T) {
	t.Parallel()
	dir := home(t)
	a, b := fake(t, dir, "a", serve), fake(t, dir, "b", serve)
	require.NoError(t, os.WriteFile(a.LogPath(), []byte("1\n2\n3\n"), 0o600))
	require.NoError(t, os.WriteFile(b.LogPath(), []byte("x\n"), 0o600))
	s := stackOf(t, dir, []Part{a, b})
	print := func(o LogOptions) (string, error) {
		var out strings.Builder
		err := s.Logs(t.Context(), &out, o)
		return out.String(), err
	}
	got, err := print(LogOptions{Part: "a", Lines: 2})
	require.NoError(t, err)
	require.Equal(t, "2\n3\n", got)
	got, err = print(LogOptions{Lines: 1})
	require.NoError(t, err)
	require.Equal(t, "a         3\nb         x\n", got)
	_, err = print(LogOptions{Part: "c"})
	require.ErrorContains(t, err, "choose one of a, b")
}

func TestSparkEnv(t *testing.T) {
	t.Parallel()
	env := SparkEnv(toolchain.Paths{Python: "/venv/bin/python", JavaHome: "/java", SparkJars: []string{"/a.jar", "/b.jar"}})
	require.Contains(t, env, "RECFLOW_SPARK_JARS=/a.jar,/b.jar")
	require.Contains(t, env, "JAVA_HOME=/java")
	require.Contains(t, env, "PATH=/venv/bin:/java/bin:/usr/local/bin:/usr/bin:/bin")
}

func TestParts_have_separate_database_users(t *testing.T) {
	t.Parallel()
	s := NewSettings(DefaultPorts(0))
	seen := map[string]bool{s.Password: true}
	for part, role := range map[string]string{"worker": "recflow_loader", "stream": "recflow_stream", "api": "recflow_api"} {
		u, err := url.Parse(s.PartEnv("home", part)["RECFLOW_DATABASE_URL"])
		require.NoError(t, err)
		require.Equal(t, role, u.User.Username())
		password, _ := u.User.Password()
		require.False(t, seen[password], "its own password")
		seen[password] = true
	}
}
