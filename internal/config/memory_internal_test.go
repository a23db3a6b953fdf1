package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       16384 kB\nMemFree:         1 kB\n"
	for name, test := range map[string]struct {
		function string
		files    map[string]string
		want     int64
	}{
		"a function":                {"512", map[string]string{"proc/meminfo": meminfo}, 512 << 20},
		"a cgroup of version 2":     {"", map[string]string{"sys/fs/cgroup/memory.max": "1048576\n", "proc/meminfo": meminfo}, 1 << 20},
		"a cgroup of version 1":     {"", map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n", "proc/meminfo": meminfo}, 2 << 20},
		"a cgroup without a limit":  {"", map[string]string{"sys/fs/cgroup/memory.max": "max\n", "proc/meminfo": meminfo}, 16 << 20},
		"a limit above the machine": {"", map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "proc/meminfo": meminfo}, 16 << 20},
		"an unknown system":         {"", nil, 1 << 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir() + "/"
			for file, content := range test.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(root+file), 0o700))
				require.NoError(t, os.WriteFile(root+file, []byte(content), 0o600))
			}
			assert.Equal(t, test.want, memoryLimit(test.function, root))
		})
	}
}
