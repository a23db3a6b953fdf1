package toolchain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sparkPackages are needed by Spark to read and write s3://, in the versions that
// its Hadoop client was built with.
var sparkPackages = []string{
	"org.apache.hadoop:hadoop-aws:3.3.4",
	"com.amazonaws:aws-java-sdk-s3:1.12.262",
	"com.amazonaws:aws-java-sdk-sts:1.12.262",
	"com.amazonaws:aws-java-sdk-dynamodb:1.12.262",
}

// sparkExcluded is 280 MB of clients for every AWS service.
const sparkExcluded = "com.amazonaws:aws-java-sdk-bundle"

// sparkJars resolves the packages with Spark's own resolver, so that Maven is not
// needed, and returns the files.
func (in *installer) sparkJars(ctx context.Context, venv, javaHome string) (jars []string, err error) {
	inputs := strings.Join(sparkPackages, ",")
	task := in.progress.Start("spark", "resolving the jars for s3://")
	defer failed(task, &err)
	dir, err := in.part("spark-jars", inputs, func(temp string) error {
		return in.resolveJars(ctx, venv, javaHome, temp)
	})
	if err != nil {
		return nil, fmt.Errorf("resolve Spark's jars: %w", err)
	}
	if jars, err = filepath.Glob(filepath.Join(dir, "*.jar")); err != nil {
		return nil, err
	}
	task.Done("%d jars for s3://", len(jars))
	return jars, nil
}

// resolveJars runs spark-submit with an application that does nothing: the resolver
// runs before it. Its output is mostly noise (missing optional parent POMs) and
// only shown on failure.
func (in *installer) resolveJars(ctx context.Context, venv, javaHome, dir string) error {
	ivy := dir + ".ivy"
	defer os.RemoveAll(ivy)
	app := filepath.Join(dir, "nothing.py")
	if err := os.WriteFile(app, []byte("pass\n"), 0o644); err != nil {
		return err
	}
	trust := dir + ".jks"
	defer os.Remove(trust)
	var options string
	if javaHome == in.packagedJava() && writeTrustStore(trust) == nil {
		options = "-Djavax.net.ssl.trustStore=" + trust + " -Djavax.net.ssl.trustStorePassword=" + trustPassword
	}
	err := in.run(ctx, command{
		env: []string{
			"SPARK_SUBMIT_OPTS=" + options,
			"JAVA_HOME=" + javaHome,
			"SPARK_HOME=" + filepath.Join(sitePackages(venv), "pyspark"),
			"PYSPARK_PYTHON=" + filepath.Join(venv, "bin", "python"),
			"PATH=" + filepath.Join(venv, "bin") + ":/usr/bin:/bin",
		},
		args: []string{
			filepath.Join(sitePackages(venv), "pyspark", "bin", "spark-submit"),
			"--master", "local[1]",
			"--packages", strings.Join(sparkPackages, ","),
			"--exclude-packages", sparkExcluded,
			"--conf", "spark.jars.ivy=" + ivy,
			app,
		},
	})
	if err != nil {
		return err
	}
	if err := os.Remove(app); err != nil {
		return err
	}
	jars, err := filepath.Glob(filepath.Join(ivy, "jars", "*.jar"))
	if err != nil {
		return err
	}
	if len(jars) < len(sparkPackages) {
		return fmt.Errorf("the resolver found %d jars for %d packages", len(jars), len(sparkPackages))
	}
	for _, jar := range jars {
		if err := os.Rename(jar, filepath.Join(dir, filepath.Base(jar))); err != nil {
			return err
		}
	}
	return nil
}
