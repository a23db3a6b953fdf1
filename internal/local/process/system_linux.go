package process

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// stat has fields of /proc/PID/stat.
type stat struct {
	command string
	state   byte
	parent  int
	start   string // ticks since boot
}

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The command is in parentheses and may contain anything, so parse from its
	// end.
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("unexpected /proc stat")
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 20 {
		return stat{}, errors.New("unexpected /proc stat")
	}
	parent, err := strconv.Atoi(fields[1])
	return stat{command: string(data[open+1 : end]), state: fields[0][0], parent: parent, start: fields[19]}, err
}

// identity distinguishes a process from all others, past or future, with the same
// PID: the boot ID and its start time. An exited process has none.
func identity(pid int) (string, error) {
	s, err := readStat(pid)
	if err != nil {
		return "", err
	}
	if s.state == 'Z' || s.state == 'X' {
		return "", os.ErrProcessDone
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(boot)) + "/" + s.start, nil
}

// Memory returns the resident memory of a process and its descendants in bytes,
// counting shared pages once where the kernel reports them.
func Memory(pid int) int64 {
	children := map[int][]int{}
	for _, p := range processes() {
		if s, err := readStat(p); err == nil {
			children[s.parent] = append(children[s.parent], p)
		}
	}
	var total int64
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		total += proportional(queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return total
}

// proportional returns a process's memory with shared pages divided among the
// sharers.
func proportional(pid int) int64 {
	for _, source := range []struct{ file, field string }{{"smaps_rollup", "Pss:"}, {"status", "VmRSS:"}} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, source.file))
		if err != nil {
			continue
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) >= 2 && fields[0] == source.field {
				kib, _ := strconv.ParseInt(fields[1], 10, 64)
				return kib << 10
			}
		}
	}
	return 0
}

func processes() []int {
	names, _ := filepath.Glob("/proc/[0-9]*")
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// PortHolder returns the process that listens on a TCP port, if it is visible to
// this user.
func PortHolder(port int) (pid int, command string) {
	inodes := listeners(port)
	if len(inodes) == 0 {
		return 0, ""
	}
	for _, pid := range processes() {
		links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, link := range links {
			target, err := os.Readlink(link)
			if err != nil || !inodes[target] {
				continue
			}
			s, err := readStat(pid)
			if err != nil {
				return 0, ""
			}
			return pid, s.command
		}
	}
	return 0, ""
}

// listeners returns the sockets that listen on a port, as /proc/PID/fd names them.
func listeners(port int) map[string]bool {
	const listening = "0A"
	want := ":" + strings.ToUpper(hex.EncodeToString([]byte{byte(port >> 8), byte(port)}))
	found := map[string]bool{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			f := strings.Fields(line)
			if len(f) > 9 && strings.HasSuffix(f[1], want) && f[3] == listening {
				found["socket:["+f[9]+"]"] = true
			}
		}
	}
	return found
}
