package toolchain

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/recflow/recflow/internal/progress"
)

const (
	temporalModule = "github.com/temporalio/cli/cmd/temporal"

	// temporalPackages is the number of packages in a cold build, for progress.
	temporalPackages = 1300

	// minServerMinor is the oldest server 1.x that supports what the workflows use.
	minServerMinor = 29

	downloadHost    = "temporal.download"
	dialTimeout     = 2 * time.Second
	downloadTimeout = 2 * time.Minute
)

// temporal returns the temporal command: the user's own, a download, or a build
// from source.
func (in *installer) temporal(ctx context.Context) (path string, err error) {
	if path, err := exec.LookPath("temporal"); err == nil && temporalFits(ctx, path) {
		return path, nil
	}
	if path := filepath.Join(in.partDir("temporal", temporalVersion), "temporal"); temporalFits(ctx, path) {
		return path, nil
	}
	task := in.progress.Start("temporal", "looking for a download")
	defer failed(task, &err)
	dir, err := in.part("temporal", temporalVersion, func(temp string) error {
		if downloadTemporal(ctx, task, temp) == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return in.buildTemporal(ctx, task, temp)
	})
	if err != nil {
		return "", fmt.Errorf("install Temporal: %w", err)
	}
	path = filepath.Join(dir, "temporal")
	if !temporalFits(ctx, path) {
		return "", fmt.Errorf("the Temporal command %s does not run; delete its directory and try again", path)
	}
	task.Done("Temporal %s", temporalVersion)
	return path, nil
}

// downloadTemporal uses the Go SDK's download, which also starts the server once.
// It fails fast if that host cannot be reached.
func downloadTemporal(ctx context.Context, task *progress.Task, dir string) error {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(downloadHost, "443"))
	if err != nil {
		return err
	}
	conn.Close()
	task.Update("downloading Temporal %s", temporalVersion)
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	server, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		CachedDownload: testsuite.CachedDownload{Version: temporalVersion, DestDir: dir},
		ClientOptions:  &client.Options{Logger: slog.New(slog.DiscardHandler)},
	})
	if err != nil {
		return err
	}
	if err := server.Stop(); err != nil {
		return err
	}
	return os.Rename(filepath.Join(dir, "temporal-cli-"+temporalVersion), filepath.Join(dir, "temporal"))
}

// buildTemporal compiles the command with the user's Go and reports the number of
// compiled packages, because a minute without output looks like a hang.
func (in *installer) buildTemporal(ctx context.Context, task *progress.Task, dir string) error {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("no download and no Go on PATH to build it: install Go, or put `temporal` on PATH: %w", err)
	}
	task.Update("building from source: looking up modules")
	var modules, packages int
	return in.run(ctx, command{
		env:  []string{"GOBIN=" + dir, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"},
		args: []string{goCommand, "install", "-v", "-trimpath", "-ldflags=-s -w", temporalModule + "@" + temporalVersion},
		line: func(line string) {
			if strings.HasPrefix(line, "go: downloading ") {
				modules++
				task.Update("building from source: %d modules downloaded", modules)
			} else if strings.Contains(line, "/") || !strings.Contains(line, " ") {
				packages++
				task.Update("building from source: %d of about %d packages", packages, max(temporalPackages, packages))
			}
		},
	})
}

var serverVersion = regexp.MustCompile(`Server 1\.(\d+)\.`)

// temporalFits reports whether the command at path runs and has a recent enough
// server.
func temporalFits(ctx context.Context, path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}
	out, err := output(ctx, path, "--version")
	if err != nil {
		return false
	}
	m := serverVersion.FindStringSubmatch(out)
	if m == nil {
		return false
	}
	minor, err := strconv.Atoi(m[1])
	return err == nil && minor >= minServerMinor
}
