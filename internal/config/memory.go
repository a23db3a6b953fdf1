package config

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// maxSearchMemory is the largest RECFLOW_SEARCH_MEMORY, in MiB.
const maxSearchMemory = 1 << 20

// Search is how a process that serves lists finds the nearest items.
type Search struct {
	// Mode is SearchAuto, SearchInMemory or SearchInPostgres.
	Mode string `env:"RECFLOW_SEARCH" envDefault:"auto"`

	// Memory is how many MiB the items of versions may take in the memory of the
	// process: 5 bytes a dimension and about 60 an item, and ids, titles and tags. -1 is
	// 60 % of the memory that the process may use.
	Memory int64 `env:"RECFLOW_SEARCH_MEMORY" envDefault:"-1"`
}

// Values of Search.Mode.
const (
	SearchAuto       = "auto"     // in memory, and in Postgres while the items load and if they do not fit
	SearchInMemory   = "memory"   // in memory only; lists fail while the items load and if they do not fit
	SearchInPostgres = "pgvector" // in Postgres only
)

// Bytes returns how many bytes the process may use to search in memory; 0 means that
// it searches in Postgres.
func (s Search) Bytes() int64 {
	if s.Mode == SearchInPostgres {
		return 0
	}
	return s.Memory << 20
}

func (s Search) validate() error {
	switch s.Mode {
	case SearchAuto, SearchInMemory, SearchInPostgres:
		return validateSearchMemory(s.Memory)
	}
	return errors.Join(fmt.Errorf("RECFLOW_SEARCH is %q; use auto, memory or pgvector", s.Mode), validateSearchMemory(s.Memory))
}

func validateSearchMemory(mib int64) error {
	if mib < 1 || mib > maxSearchMemory {
		return fmt.Errorf("RECFLOW_SEARCH_MEMORY is %d; use 1 to %d MiB, or -1 for 60 %% of the memory that the process may use", mib, maxSearchMemory)
	}
	return nil
}

// searchMemory replaces -1 with 60 % of the memory that the process may use, in MiB.
func searchMemory(mib int64) int64 {
	if mib != -1 {
		return mib
	}
	return max(1, min(processMemory()*6/10>>20, maxSearchMemory))
}

// LimitMemory makes the garbage collector work harder before the process reaches
// 90 % of the memory that it may use: without a limit the heap may grow to twice
// what is in use. GOMEMLIMIT has precedence.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(processMemory() * 9 / 10)
	}
}

func processMemory() int64 { return memoryLimit(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "/") }

// memoryLimit returns how many bytes the process may use: the memory of a function
// if AWS has set it, otherwise the smallest of the limits of its cgroup and the
// machine's memory, which are files under root on Linux, and 1 GiB elsewhere.
func memoryLimit(function, root string) int64 {
	if mib, err := strconv.ParseInt(function, 10, 64); err == nil {
		return mib << 20
	}
	limit := int64(0)
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes", "proc/meminfo"} {
		content, err := os.ReadFile(root + file)
		if err != nil {
			continue
		}
		if n := parseLimit(string(content)); n > 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	if limit == 0 {
		return 1 << 30
	}
	return limit
}

// parseLimit returns the number of bytes in a cgroup's file, or MemTotal of
// /proc/meminfo; 0 for no limit.
func parseLimit(content string) int64 {
	fields := strings.Fields(content)
	if len(fields) == 0 {
		return 0
	}
	if fields[0] == "MemTotal:" && len(fields) > 1 {
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		return kib << 10
	}
	n, _ := strconv.ParseInt(fields[0], 10, 64)
	return n
}
