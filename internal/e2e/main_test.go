// Package e2e_test drives the built binaries from outside: scripts of commands, the
// guides of docs/, and a deployment in an emulator of AWS.
package e2e_test

import (
	"os"
	"testing"

	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }
