package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/local/toolchain/toolchaintest"
	"github.com/recflow/recflow/internal/progress"
)

// TestSparkImportsTheZip uses the zip as Glue does, outside of the checkout.
func TestSparkImportsTheZip(t *testing.T) {
	tools := toolchaintest.Tools(t)
	out := t.TempDir()
	b, err := newBuilder(options{source: filepath.Join("..", ".."), out: out}, progress.Discard())
	require.NoError(t, err)
	_, err = b.glue()
	require.NoError(t, err)
	require.NoError(t, b.Close())
	zipped := filepath.Join(out, "recflow-glue.zip")
	script, err := filepath.Abs(filepath.Join("testdata", "import_package.py"))
	require.NoError(t, err)
	python := func(env map[string]string, args ...string) (string, error) {
		cmd := exec.Command(tools.Python, args...)
		cmd.Dir = t.TempDir()
		cmd.Env = config.ChildEnv(env)
		got, err := cmd.CombinedOutput()
		return string(got), err
	}

	got, err := python(map[string]string{"JAVA_HOME": tools.JavaHome, "PYSPARK_PYTHON": tools.Python, "SPARK_LOCAL_IP": "127.0.0.1"}, script, zipped)
	require.NoError(t, err, got)
	assert.Regexp(t, `driver .*/recflow-glue\.zip/recflow_glue/job\.py\n`, got)
	assert.Regexp(t, `worker .*/recflow-glue\.zip/recflow_glue/foldin\.py\n`, got)

	// The script imports the package from the zip and from nowhere else.
	job := filepath.Join(out, "glue_job.py")
	got, err = python(nil, job, "--help")
	require.Error(t, err)
	assert.Contains(t, got, "No module named 'recflow_glue'")
	got, err = python(map[string]string{"PYTHONPATH": zipped}, job, "--help")
	require.NoError(t, err, got)
	assert.Contains(t, got, "--run_id")
}
