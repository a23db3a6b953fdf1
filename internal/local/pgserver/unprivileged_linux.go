package pgserver

import (
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// capDACOverride lets a process read and write files whatever their mode.
const capDACOverride = 1

// unprivileged makes a child process one that Postgres accepts: it refuses to
// run as root. Under another user there is nothing to do.
//
// For root the child enters a user namespace in which root's own id appears as
// that of an ordinary user. Files keep root as their owner, so neither the
// program nor the data folder has to be made reachable for anybody else, and
// the process has no privileges left. Where namespaces are forbidden it becomes
// that user for real; it keeps the one capability it needs to reach the files.
// See docs/decisions/0002-the-local-stack.md.
func unprivileged() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	id := ordinaryUser()
	if namespaces() {
		return inNamespace(id)
	}
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uint32(id), Gid: uint32(id), NoSetGroups: true},
		AmbientCaps: []uintptr{capDACOverride},
	}
}

func inNamespace(id int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: 0, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: id, HostID: 0, Size: 1}},
	}
}

// namespaces reports whether a user namespace can be made here.
var namespaces = sync.OnceValue(func() bool {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = inNamespace(ordinaryUser())
	return cmd.Run() == nil
})

// ordinaryUser is the id of a user that exists everywhere and owns nothing:
// initdb looks the name of its user up.
var ordinaryUser = sync.OnceValue(func() int {
	for _, name := range []string{"daemon", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			if id, err := strconv.Atoi(u.Uid); err == nil && id != 0 {
				return id
			}
		}
	}
	return 65534
})

// own gives the data folder to the user that the server runs as.
func own(dir string) error {
	if os.Geteuid() != 0 || namespaces() {
		return nil
	}
	return os.Chown(dir, ordinaryUser(), ordinaryUser())
}
