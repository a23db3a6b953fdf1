// Package terraform_test runs Terraform's checks and tests of this directory. The
// apply to an emulator is in internal/e2e, with the other scenarios.
package terraform_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/recflow/recflow/internal/e2e/terraform"
)

// passed is the last line of `terraform test`.
var passed = regexp.MustCompile(`Success! ([0-9]+) passed, 0 failed\.`)

// TestModulesAreValid runs `terraform validate` in the root, in each module and in
// the example.
func TestModulesAreValid(t *testing.T) {
	t.Parallel()
	copied, modules := copyModules(t)
	for _, dir := range append(modules, copied, filepath.Join(copied, "examples", "complete")) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tf := terraform.New(t, dir)
			tf.Init()
			tf.Must("validate", "-no-color")
		})
	}
}

// TestModules runs `terraform test` in the root and in each module.
func TestModules(t *testing.T) {
	t.Parallel()
	copied, modules := copyModules(t)
	for _, dir := range append(modules, copied) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			tf := terraform.New(t, dir, "AWS_REGION=eu-central-1")
			tf.Init()
			require.Regexp(t, passed, tf.Must("test", "-no-color"))
		})
	}
}

// copyModules returns a copy of the root, and its modules.
func copyModules(t *testing.T) (copied string, modules []string) {
	t.Helper()
	copied = terraform.Copy(t, ".")
	// Tests of modules compare with these files.
	for _, folder := range []string{"docs", "glue", "internal"} {
		target, err := filepath.Abs(filepath.Join("..", folder))
		require.NoError(t, err)
		require.NoError(t, os.Symlink(target, filepath.Join(filepath.Dir(copied), folder)))
	}
	modules, err := filepath.Glob(filepath.Join(copied, "modules", "*"))
	require.NoError(t, err)
	require.Len(t, modules, 9)
	return copied, modules
}

func TestFilesAreFormatted(t *testing.T) {
	t.Parallel()
	tf := terraform.New(t, ".")
	out, err := tf.Run("fmt", "-check", "-recursive", "-diff")
	require.NoError(t, err, "run terraform fmt -recursive terraform\n"+out)
}

// TestNothingOfOneAccount searches for values of a single account, region or
// partition, which must come from variables and data sources.
func TestNothingOfOneAccount(t *testing.T) {
	t.Parallel()
	fixed := regexp.MustCompile(`arn:aws(-[a-z]+)*:|\b(us|eu|ap|sa|ca|me|af|il)-(gov-)?(north|south|east|west|central)+[a-z]*-[0-9]\b|\b[0-9]{12}\b`)
	var looked int
	for _, pattern := range []string{"*.tf", "modules/*/*.tf", "examples/*/*.tf"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for n, line := range strings.Split(string(text), "\n") {
				code, _, _ := strings.Cut(line, "#")
				if strings.Contains(code, "description") || strings.Contains(code, "error_message") {
					continue
				}
				require.NotRegexp(t, fixed, code, "%s:%d", file, n+1)
			}
			looked++
		}
	}
	require.Greater(t, looked, 40)
}
