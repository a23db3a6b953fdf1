package toolchain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/recflow/recflow/internal/progress"
)

// python creates the virtual environment and returns its directory. The directory
// cannot be renamed (its scripts contain its path), so a marker file shows that it
// is complete. An incomplete one is created again: pip keeps what it downloaded.
func (in *installer) python(ctx context.Context) (dir string, err error) {
	base, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	dir = in.partDir("python", base+requirements)
	mark := filepath.Join(dir, "complete")
	if _, err := os.Stat(mark); err == nil {
		return dir, nil
	}
	task := in.progress.Start("python", "creating a virtual environment")
	defer failed(task, &err)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := in.run(ctx, command{args: []string{base, "-m", "venv", dir}}); err != nil {
		return "", fmt.Errorf("create a Python environment (on Debian it needs the package python3.11-venv): %w", err)
	}
	list := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(list, []byte(requirements), 0o644); err != nil {
		return "", err
	}
	if err := in.pip(ctx, task, filepath.Join(dir, "bin", "python"), "install", "--no-compile", "--no-deps", "-r", list); err != nil {
		return "", fmt.Errorf("install the Python packages: %w", err)
	}
	if err := in.run(ctx, command{args: []string{filepath.Join(dir, "bin", "python"), "-m", "pip", "check"}}); err != nil {
		return "", fmt.Errorf("check the Python packages: %w", err)
	}
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		return "", err
	}
	task.Done("%s with PySpark, Postgres and the S3 emulator", filepath.Base(base))
	return dir, nil
}

// pip installs or downloads packages (verb) and shows its steps.
func (in *installer) pip(ctx context.Context, task *progress.Task, python, verb string, args ...string) error {
	return in.run(ctx, command{
		args: append([]string{python, "-m", "pip", verb, "--disable-pip-version-check", "--no-input", "--progress-bar", "off"}, args...),
		line: func(line string) {
			if step := pipStep(line); step != "" {
				task.Update("%s", step)
			}
		},
	})
}

// pipStep shortens a line of pip's output for display; it may return nothing.
func pipStep(line string) string {
	words := strings.Fields(line)
	if len(words) < 2 {
		return ""
	}
	switch {
	case words[0] == "Collecting", words[0] == "Processing":
		name, _, _ := strings.Cut(filepath.Base(words[1]), "==")
		return "fetching " + name
	case words[0] == "Downloading":
		return "downloading " + filepath.Base(words[1]) + " " + strings.Join(words[2:], " ")
	case words[0] == "Building" && words[1] == "wheel" && strings.HasSuffix(line, "started"):
		return "unpacking " + words[3]
	case words[0] == "Installing":
		return "installing the packages"
	}
	return ""
}

// findPython returns the path of a Python of the wanted version, from PATH.
func findPython(ctx context.Context) (string, error) {
	var tried []string
	for _, name := range []string{"python" + pythonVersion, "python3", "python"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := output(ctx, path, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable, sep='\\n')")
		version, executable, _ := strings.Cut(strings.TrimSpace(out), "\n")
		if err == nil && version == pythonVersion {
			return executable, nil
		}
		tried = append(tried, fmt.Sprintf("%s is %s", path, version))
	}
	if len(tried) == 0 {
		tried = []string{"none found"}
	}
	return "", fmt.Errorf("Python %s is required and not on PATH (%s): install it, or add its directory to PATH", pythonVersion, strings.Join(tried, ", "))
}

func sitePackages(venv string) string {
	return filepath.Join(venv, "lib", "python"+pythonVersion, "site-packages")
}

// failed marks task as failed if err is set.
func failed(task *progress.Task, err *error) {
	if *err != nil {
		task.Fail()
	}
}
