package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/recflow/recflow/internal/toolchain"
)

// SparkEnv returns the variables with which the training job runs as it is:
// what Glue sets up around a job is written to a spark-defaults.conf under dir,
// so the job itself knows nothing of the local stack. The credentials are taken
// from the AWS variables of the process.
func SparkEnv(dir string, tools toolchain.Paths, s3Endpoint string) ([]string, error) {
	conf := filepath.Join(dir, "conf")
	if err := os.MkdirAll(conf, 0o700); err != nil {
		return nil, fmt.Errorf("make Spark's settings: %w", err)
	}
	if err := writeFile(filepath.Join(conf, "spark-defaults.conf"), []byte(sparkDefaults(tools, s3Endpoint))); err != nil {
		return nil, fmt.Errorf("write Spark's settings: %w", err)
	}
	bin := filepath.Dir(tools.Python)
	return []string{
		"SPARK_CONF_DIR=" + conf,
		"JAVA_HOME=" + tools.JavaHome,
		"PYSPARK_PYTHON=" + tools.Python,
		"PYSPARK_DRIVER_PYTHON=" + tools.Python,
		"SPARK_LOCAL_IP=127.0.0.1",
		"PYTHONUNBUFFERED=1",
		"PATH=" + bin + ":" + filepath.Join(tools.JavaHome, "bin") + ":/usr/local/bin:/usr/bin:/bin",
	}, nil
}

// sparkDefaults are the settings that stand in for Glue's.
func sparkDefaults(tools toolchain.Paths, s3Endpoint string) string {
	settings := []string{
		fmt.Sprintf("spark.master local[%d]", max(2, runtime.NumCPU())),
		"spark.driver.memory 3g",
		"spark.driver.host 127.0.0.1",
		"spark.driver.bindAddress 127.0.0.1",
		"spark.ui.enabled false",
		"spark.sql.session.timeZone UTC",
		"spark.jars " + strings.Join(tools.SparkJars, ","),
		"spark.hadoop.fs.s3.impl org.apache.hadoop.fs.s3a.S3AFileSystem",
		"spark.hadoop.fs.s3a.endpoint " + s3Endpoint,
		"spark.hadoop.fs.s3a.path.style.access true",
		"spark.hadoop.fs.s3a.connection.ssl.enabled false",
		"spark.hadoop.fs.s3a.aws.credentials.provider com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
	}
	return strings.Join(settings, "\n") + "\n"
}
