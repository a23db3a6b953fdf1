//go:build !linux

package process

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ps returns one column of a process.
func ps(pid int, column string) (string, error) {
	out, err := exec.Command("ps", "-o", column+"=", "-p", strconv.Itoa(pid)).Output()
	return strings.TrimSpace(string(out)), err
}

// identity distinguishes a process from all others, past or future, with the same
// PID: its start time. An exited process has none.
func identity(pid int) (string, error) {
	state, err := ps(pid, "state")
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(state, "Z") {
		return "", exec.ErrNotFound
	}
	return ps(pid, "lstart")
}

// Memory returns the resident memory of a process in bytes.
func Memory(pid int) int64 {
	out, _ := ps(pid, "rss")
	kib, _ := strconv.ParseInt(out, 10, 64)
	return kib << 10
}

// PortHolder returns the process that listens on a TCP port, if it is visible to
// this user.
func PortHolder(port int) (pid int, command string) {
	out, err := exec.Command("lsof", "-nP", "-t", "-sTCP:LISTEN", "-iTCP:"+strconv.Itoa(port)).Output()
	if err != nil {
		return 0, ""
	}
	first, _, _ := strings.Cut(string(out), "\n")
	if pid, err = strconv.Atoi(strings.TrimSpace(first)); err != nil {
		return 0, ""
	}
	name, _ := ps(pid, "comm")
	return pid, filepath.Base(name)
}
