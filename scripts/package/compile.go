package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/recflow/recflow/internal/config"
)

// compile builds a static binary of a package, independent of where, when and from
// which checkout it is built. It sets every variable that changes code, so that the
// caller's have no effect.
func compile(ctx context.Context, source, pkg, to, arch string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w -buildid=", "-o", to}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = source
	cmd.Env = config.ChildEnv(map[string]string{
		"GOOS": "linux", "GOARCH": arch, "GOARM64": "v8.0", "GOAMD64": "v1", "CGO_ENABLED": "0",
		"GOFLAGS": "", "GOEXPERIMENT": "", "GOFIPS140": "off", "GOWORK": "off",
	})
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile %s for %s: %w\n%s", pkg, arch, err, printed)
	}
	return nil
}

// buildID identifies the code of a binary by its content: it contains no commit.
func buildID(program string) (string, error) {
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}
