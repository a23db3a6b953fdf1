package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpu is processor time, which is more reliable than wall-clock time on a loaded
// machine.
type cpu struct{ client, server time.Duration }

func (c cpu) plus(o cpu) cpu { return cpu{c.client + o.client, c.server + o.server} }

func (c cpu) total() time.Duration { return c.client + c.server }

// clientTime returns the CPU time of this process so far.
func clientTime() time.Duration {
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// serverTime returns the CPU time of the postmaster and its current and past
// children, read from /proc in units of 10 ms; 0 if there is no /proc.
func serverTime(postmaster int) time.Duration {
	ticks := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has exited
		}
		// The name, in parentheses, may contain spaces; the state follows it.
		_, rest, _ := strings.Cut(string(data), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 15 {
			continue
		}
		number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n }
		const parent, user, system, childUser, childSystem = 1, 11, 12, 13, 14
		switch {
		case strings.HasPrefix(path, "/proc/"+strconv.Itoa(postmaster)+"/"):
			ticks += number(user) + number(system) + number(childUser) + number(childSystem)
		case number(parent) == postmaster:
			ticks += number(user) + number(system)
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
