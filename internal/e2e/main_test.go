// Package e2e_test tests the built binaries from the outside: scripts of commands,
// the guides of docs/, and a deployment in an AWS emulator.
package e2e_test

import (
	"os"
	"testing"

	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }
