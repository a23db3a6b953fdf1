// Package cputime reads processor times, which are more reliable than wall-clock
// times on a loaded machine.
package cputime

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process returns the CPU time of this process so far.
func Process() time.Duration {
	var self syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &self)
	return time.Duration(self.Utime.Nano() + self.Stime.Nano())
}

// Postgres returns the CPU time of the postmaster and its current and past
// children, read from /proc in units of 10 ms; 0 if there is no /proc.
func Postgres(postmaster int) time.Duration {
	ticks := 0
	processes, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range processes {
		s, read := statOf(path)
		switch {
		case !read: // it has exited
		case path == pathOf(postmaster):
			ticks += s[user] + s[system] + s[childUser] + s[childSystem]
		case s[parent] == postmaster:
			ticks += s[user] + s[system]
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Postmaster returns the process id of the postmaster of a backend, 0 if there is no
// /proc.
func Postmaster(backend int) int {
	s, _ := statOf(pathOf(backend))
	return s[parent]
}

// Fields of /proc/PID/stat after the name, from 0.
const (
	parent      = 1
	user        = 11
	system      = 12
	childUser   = 13
	childSystem = 14
	fields      = 15
)

func pathOf(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/stat" }

func statOf(path string) (s [fields]int, read bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return s, false
	}
	// The name, in parentheses, may contain spaces; the state follows it.
	_, rest, _ := strings.Cut(string(data), ") ")
	text := strings.Fields(rest)
	if len(text) < fields {
		return s, false
	}
	for i := range s {
		s[i], _ = strconv.Atoi(text[i]) // the state is no number
	}
	return s, true
}
