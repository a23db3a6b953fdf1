package streams_test

import (
	"os"
	"testing"

	"github.com/recflow/recflow/internal/cli/clitest"
)

func TestMain(m *testing.M) { os.Exit(clitest.Main(m)) }
