package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpu is processor time, which says more than the clock does on a machine that
// is busy with other things.
type cpu struct{ client, server time.Duration }

func (c cpu) plus(o cpu) cpu { return cpu{c.client + o.client, c.server + o.server} }

func (c cpu) total() time.Duration { return c.client + c.server }

// clientTime is what this process has used so far.
func clientTime() time.Duration {
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// serverTime is what the postmaster, its children and those that have ended have
// used, read from /proc in units of 10 ms; 0 where there is no /proc.
func serverTime(postmaster int) time.Duration {
	ticks := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may hold spaces; the state follows it.
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
