package stack

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/recflow/recflow/internal/local/toolchain"
)

// SparkEnv returns the environment that Glue sets up for the training job: the
// interpreter, Java, and the jars for s3://. The job reads the S3 endpoint from the
// AWS variables (glue/recflow_glue/session.py).
func SparkEnv(tools toolchain.Paths) []string {
	path := strings.Join([]string{
		filepath.Dir(tools.Python), filepath.Join(tools.JavaHome, "bin"), "/usr/local/bin", "/usr/bin", "/bin",
	}, string(os.PathListSeparator))
	return []string{
		"RECFLOW_SPARK_JARS=" + strings.Join(tools.SparkJars, ","),
		"JAVA_HOME=" + tools.JavaHome,
		"PYSPARK_PYTHON=" + tools.Python,
		"PYSPARK_DRIVER_PYTHON=" + tools.Python,
		"SPARK_LOCAL_IP=127.0.0.1", // otherwise Spark resolves the host's name and listens there
		"PYTHONUNBUFFERED=1",
		"PATH=" + path,
	}
}
