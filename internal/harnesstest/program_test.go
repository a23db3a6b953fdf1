package harnesstest

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteProgram_can_be_executed_while_other_processes_start(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "program")
			for range 100 {
				WriteProgram(t, path, "#!/bin/sh\n")
				require.NoError(t, exec.CommandContext(t.Context(), path).Run())
			}
		})
	}
}
