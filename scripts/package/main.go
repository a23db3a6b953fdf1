// Command package builds what AWS Lambda runs: for each architecture a zip of
// the stream's function as bootstrap, for the runtime provided.al2023. The same
// sources and the same Go give the same bytes, wherever and whenever, so a digest
// says what is deployed. `make package` runs it.
package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/recflow/recflow/internal/config"
)

// maxZip is what Lambda takes in a direct upload, in bytes.
const maxZip = 50 << 20

// architectures of Lambda, by Go's names.
var architectures = []string{"arm64", "amd64"}

// made is the time of every packed file: the first that a zip can express.
var made = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	out := flag.String("out", "dist", "folder of the zips")
	source := flag.String("C", ".", "folder of the checkout")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for _, arch := range architectures {
		a, err := build(ctx, *source, *out, arch)
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		fmt.Printf("%s  %s  %.1f MB\n", a.digest, a.path, float64(a.bytes)/1e6)
	}
}

// artifact is a finished zip.
type artifact struct {
	path   string
	bytes  int
	digest string // SHA-256 in hex
}

// build compiles and packs the function for one architecture.
func build(ctx context.Context, source, out, arch string) (artifact, error) {
	dir, err := os.MkdirTemp("", "recflow-package-")
	if err != nil {
		return artifact{}, err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "bootstrap")
	if err := compile(ctx, source, bootstrap, arch); err != nil {
		return artifact{}, fmt.Errorf("compile the function for %s: %w", arch, err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return artifact{}, err
	}
	a := artifact{path: filepath.Join(out, "recflow-lambda-"+arch+".zip")}
	if a.bytes, a.digest, err = pack(bootstrap, a.path); err != nil {
		return artifact{}, fmt.Errorf("pack %s: %w", a.path, err)
	}
	return a, nil
}

// compile makes a static binary that holds nothing of where, when and by which
// checkout it was built. Every variable that changes code is set here, so that
// one of the caller's does not.
func compile(ctx context.Context, source, to, arch string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", to, "./lambda")
	cmd.Dir = source
	cmd.Env = config.ChildEnv(map[string]string{
		"GOOS": "linux", "GOARCH": arch, "GOARM64": "v8.0", "GOAMD64": "v1", "CGO_ENABLED": "0",
		"GOFLAGS": "", "GOEXPERIMENT": "", "GOFIPS140": "off", "GOWORK": "off",
	})
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, printed)
	}
	return nil
}

// pack writes a zip with the program alone, replacing an older one in one step.
func pack(program, to string) (size int, digest string, err error) {
	f, err := os.CreateTemp(filepath.Dir(to), ".package-")
	if err != nil {
		return 0, "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	hash, counted := sha256.New(), &counter{}
	if err := writeZip(io.MultiWriter(f, hash, counted), program); err != nil {
		return 0, "", err
	}
	if counted.n > maxZip {
		return 0, "", fmt.Errorf("it has %d bytes; Lambda takes %d", counted.n, maxZip)
	}
	if err := errors.Join(f.Chmod(0o644), f.Close(), os.Rename(f.Name(), to)); err != nil {
		return 0, "", err
	}
	return counted.n, hex.EncodeToString(hash.Sum(nil)), nil
}

func writeZip(w io.Writer, program string) error {
	in, err := os.Open(program)
	if err != nil {
		return err
	}
	defer in.Close()
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: made}
	header.SetMode(0o755)
	entry, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, in); err != nil {
		return err
	}
	return z.Close()
}

// counter counts the bytes written to it.
type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
