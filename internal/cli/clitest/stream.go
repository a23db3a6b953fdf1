package clitest

import (
	"os"
	"testing"

	"github.com/recflow/recflow/internal/awsclient/kinesistest"
)

// NewStream creates a stream and sets the variables by which commands find it, with
// no bucket and no database unless those are already set.
func NewStream(t *testing.T) *kinesistest.Server {
	t.Helper()
	s := kinesistest.New("events", 2)
	for k, v := range s.Env(t) {
		t.Setenv(k, v)
	}
	t.Setenv("RECFLOW_STREAM", "events")
	if os.Getenv("RECFLOW_DATABASE_URL") == "" {
		t.Setenv("RECFLOW_HOME", t.TempDir())
	}
	return s
}
