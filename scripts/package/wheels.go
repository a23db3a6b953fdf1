package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/local/toolchain"
	"github.com/recflow/recflow/internal/progress"
)

// platforms are pip's tags of the wheels that run on Glue 5.0: Amazon Linux 2023 on
// x86-64, with glibc 2.34.
var platforms = []string{"manylinux_2_28_x86_64", "manylinux2014_x86_64"}

// pin is one wheel of glue/wheels.txt.
type pin struct{ name, version, sha256 string }

// pinned is a line of glue/wheels.txt, in pip's format. With one hash for each
// package, every machine gets the same file.
var pinned = regexp.MustCompile(`^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$`)

// readPins parses the content of glue/wheels.txt.
func readPins(text string) ([]pin, error) {
	var pins []pin
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := pinned.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d is not NAME==VERSION --hash=sha256:DIGEST", n)
		}
		pins = append(pins, pin{m[1], m[2], m[3]})
	}
	if len(pins) == 0 {
		return nil, errors.New("the list is empty")
	}
	return pins, nil
}

// wheels copies the wheels that the training job installs into wheels/, and removes
// other wheels from that directory: Terraform uploads all that it contains.
func (b *builder) wheels(ctx context.Context) ([]artifact, error) {
	list := filepath.Join(b.source, "glue", "wheels.txt")
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, fmt.Errorf("read the list of wheels: %w", err)
	}
	pins, err := readPins(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	cached, err := toolchain.Wheels(ctx, b.cache, string(text), platforms, b.progress)
	if err != nil {
		return nil, fmt.Errorf("wheels: %w", err)
	}
	out := filepath.Join(b.out, "wheels")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, err
	}
	var all []artifact
	for _, p := range pins {
		a, err := b.step("wheel-"+p.name, "copying", func(*progress.Task) (artifact, error) { return p.copy(cached, out) })
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, removeOthers(out, all)
}

// copy copies the wheel from one directory to another, if its hash is the pinned
// one.
func (p pin) copy(from, to string) (artifact, error) {
	files, err := filepath.Glob(filepath.Join(from, strings.ReplaceAll(p.name, "-", "_")+"-"+p.version+"-*.whl"))
	if err != nil {
		return artifact{}, err
	}
	if len(files) != 1 {
		return artifact{}, fmt.Errorf("no wheel of %s %s in the cache: delete %s and try again", p.name, p.version, from)
	}
	return replace("wheel-"+p.name, filepath.Join(to, filepath.Base(files[0])), func(w io.Writer) error {
		hash := sha256.New()
		if err := (entry{path: files[0]}).copyTo(io.MultiWriter(w, hash)); err != nil {
			return err
		}
		if got := hex.EncodeToString(hash.Sum(nil)); got != p.sha256 {
			return fmt.Errorf("%s has the SHA-256 %s instead of %s: delete %s and try again", files[0], got, p.sha256, from)
		}
		return nil
	})
}

// removeOthers removes the wheels that are not among the artifacts.
func removeOthers(dir string, kept []artifact) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if slices.ContainsFunc(kept, func(a artifact) bool { return a.Path == file }) {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}
